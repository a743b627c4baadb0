"""The usual ways of doing what the library does, to compare with; not part of the library."""
