"""What NNI's manager, the advisor and a trial's process cost a candidate: searches that compute nothing.

    python -m benchmarks.manager --candidates 100 --concurrency 1 2 4 8
    python -m benchmarks.manager.soak --candidates 5000 --concurrency 4

A candidate's evaluation takes as long as is asked for, nothing by default; everything else is what a user's
search goes through: nnictl, the manager, the advisor with its strategy, a process for every trial, warm
evaluators, the results store, the terminal that watches.
"""
