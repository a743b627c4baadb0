"""Hostile inputs: everything that arrives from outside, spoilt, with what must become of it."""
