"""Nemesis: real processes under load, broken on purpose by a seeded schedule, and checked row by row afterwards."""
