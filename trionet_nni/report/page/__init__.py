"""`trionet report`: what a search did and found, as one file that opens without a network."""
