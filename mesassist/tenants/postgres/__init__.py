"""Postgres: the database engine that says with every statement for which tenant it is."""
