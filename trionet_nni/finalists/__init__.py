"""Finalists: the best of a search, trained from scratch, before one of them is called the winner."""
