"""The bridge: how `nnictl create` drives an architecture search as an ordinary NNI experiment.

`advisor` runs beside NNI's manager and hosts the search strategy on an `engine`; `trial` is the command
of every trial. A trial may be started by any Python, so nothing is imported here.
"""
