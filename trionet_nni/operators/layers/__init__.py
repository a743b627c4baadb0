"""The layers that compute the operators, and the routes by which attention is computed."""
