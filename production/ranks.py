"""Ranks: which source is believed where several report on one machine; sources of one rank speak with one voice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.db.models import Q

from production.models import SourceRank

DEFAULT = 0


@dataclass(frozen=True)
class Ranks:
    """The tenant's ranks by source; sources without one have the default."""

    by_source: Mapping[str, int] = field(default_factory=dict)

    def of(self, source: str) -> int:
        """The source's rank."""
        return self.by_source.get(source, DEFAULT)

    def voices(self) -> Iterator[tuple[int, Q]]:
        """(rank, condition on events) for every rank there may be."""
        ranked = [source for source, rank in self.by_source.items() if rank != DEFAULT]
        yield DEFAULT, ~Q(source__in=ranked) if ranked else Q()
        for rank in sorted({rank for rank in self.by_source.values() if rank != DEFAULT}):
            yield rank, Q(source__in=[source for source, other in self.by_source.items() if other == rank])


def read_ranks() -> Ranks:
    """The active tenant's ranks; one query."""
    return Ranks(dict(SourceRank.objects.exclude(rank=DEFAULT).values_list("source", "rank")))
