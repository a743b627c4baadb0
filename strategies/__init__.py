"""NNI strategy plug-ins, one idea a file. Every row of Table 3 is one switch between them."""
