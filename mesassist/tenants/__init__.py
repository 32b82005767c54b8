"""Tenants: who is who, which plant they belong to, and the wall between plants."""
