"""What both tasks share: settings, backbone, pictures, and the protocol that a task is."""
