"""Bench: one script per stage, each against its peer and its limit in the same run; `make bench` prints the ratios."""
