"""Options beyond the paper: does a supernet rank better with them? On the digits of `benchmarks.worth`.

    python -m benchmarks.options            the table, from the results that are there
    python -m benchmarks.options units      what is done, what is missing, and its CPU time
    python -m benchmarks.options run        compute what is missing; kill it at any time and run it again
    python -m benchmarks.options keep       write docs/worth/options.json, to commit, from the results

Supernets, networks and trainings from scratch are units of that comparison, and so is how they are stored.
"""
