"""`trionet plan`: what a run will need, before it starts."""
