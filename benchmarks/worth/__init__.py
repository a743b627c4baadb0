"""Is the search worth its price? The networks that it finds against what one would have taken instead.

    python -m benchmarks.worth            the table, from the results that are there
    python -m benchmarks.worth units      what is done, what is missing, and its CPU time
    python -m benchmarks.worth run        compute what is missing; kill it at any time and run it again

Everything is split into units (`unit`), each a function of its conditions and its seed alone, and each with
one small JSON file as its result. What docs/worth/ holds is not computed again, on whatever machine.
"""
