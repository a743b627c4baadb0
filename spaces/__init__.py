"""Search spaces, one a file. A space's TABLE is plain data; its build() declares it in NNI's terms."""
