"""Everything that is read from outside, under inputs that a fuzzer makes up: see docs/fuzzing.md."""
