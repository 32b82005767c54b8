"""Audit: who changed what, when and from where; written by the database, sealed in a chain per tenant."""
