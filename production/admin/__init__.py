"""Admin: the plant's rows for platform staff, one module per family; importing them registers them."""

from production.admin import master, ranks, records, topics

__all__ = ["master", "ranks", "records", "topics"]
