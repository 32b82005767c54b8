"""Egress: every request to an address that somebody else chose: where it may go, and how long and how much."""
