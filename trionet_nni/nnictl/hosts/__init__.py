"""Hosts reached by ssh, on which NNI's `remote` service runs trials: what they need, and how it gets there.

`machines` reads which they are, `look` whether they can be used, `parcel` what they need, `deliver` and
`receive` bring it there, each file once. `away` is what a trial on one of them does otherwise. In NNI's
manager `hosts.cjs` keeps the connection.
"""
