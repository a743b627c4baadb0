"""Spatial operators, one a file, and the routes by which they are computed."""
