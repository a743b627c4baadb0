"""The spatial operators, one a file, as plain torch modules."""
