"""Files that are whole or not there, and that cannot run code."""
