"""Ranks: which source is believed where several report on one machine; sources of one rank speak with one voice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import Q

from production.models import SourceRank

DEFAULT = 0


class Voice(NamedTuple):
    """The sources of one rank: those named, or with `others` all but those."""

    rank: int
    sources: tuple[str, ...]
    others: bool

    @property
    def is_everybody(self) -> bool:
        """Whether there is no other voice."""
        return self.others and not self.sources


ANYBODY = Voice(DEFAULT, (), others=True)


@dataclass(frozen=True)
class Ranks:
    """The tenant's ranks by source; sources without one have the default."""

    by_source: Mapping[str, int] = field(default_factory=dict)

    def of(self, source: str) -> int:
        """The source's rank."""
        return self.by_source.get(source, DEFAULT)

    def speakers(self) -> list[Voice]:
        """The voice of every rank there may be."""
        ranked = {source: rank for source, rank in self.by_source.items() if rank != DEFAULT}
        named = (
            Voice(rank, tuple(source for source, other in ranked.items() if other == rank), others=False)
            for rank in sorted(set(ranked.values()))
        )
        return [Voice(DEFAULT, tuple(ranked), others=True), *named]

    def voices(self) -> Iterator[tuple[int, Q]]:
        """(rank, condition on events) for every rank there may be."""
        for voice in self.speakers():
            named = Q(source__in=voice.sources)
            yield voice.rank, Q() if voice.is_everybody else ~named if voice.others else named


def read_ranks() -> Ranks:
    """The active tenant's ranks; one query."""
    return Ranks(dict(SourceRank.objects.exclude(rank=DEFAULT).values_list("source", "rank")))
