"""`trionet reproduce` and `trionet fidelity`: the paper's tables and figures, run again."""
