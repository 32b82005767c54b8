"""Ingest: from what a source sends to stored events, the same way behind every door."""
