"""Processes of a real search are killed at random times; at the end the books must agree. `make chaos`.

    python -m tests.chaos --kills 50 --candidates 200 --seed 0

What is counted:

finished    evaluations of candidates, and trainings of finalists, one a rung, whose result was in
            the store (fsynced) or in NNI's database; looked at several times a second and right before
            every kill
lost        finished, and not in the results store at the end
repeated    computations that began for an architecture that was finished: the objective appends a line to
            a log for each computation
mismatched  architectures whose value is not the same everywhere at the end: results store, NNI's portal
            (REST), NNI's database, and what the search strategy has counted, exactly once in the store,
            the portal and the strategy
"""
