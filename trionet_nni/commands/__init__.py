"""The commands of `trionet`, one a file."""
