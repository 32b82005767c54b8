"""Sabotage: takes each control away, one at a time, and expects a test to notice (`make sabotage`)."""
