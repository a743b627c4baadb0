"""What a network is trained for: model, loss and metric."""
