"""A candidate's trial: what it has to do, and who scores it."""
