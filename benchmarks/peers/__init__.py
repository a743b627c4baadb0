"""What the library is compared with: the same tasks done the plain way. Not part of the library."""
