"""Verdicts: what the guard says of a number, and what it held it against."""

from dataclasses import dataclass

FOUND = "found"
DERIVED = "derived"
UNKNOWN = "unknown"
CONTRADICTED = "contradicted"
VERDICTS = (FOUND, DERIVED, UNKNOWN, CONTRADICTED)


@dataclass(frozen=True)
class Verdict:
    """The judgement, the fact it rests on ("" for none), and in short how: `F2 - F3`, `in the period`."""

    verdict: str
    fact: str = ""
    how: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """As it is kept with the mark."""
        return {"verdict": self.verdict, "fact": self.fact or None, "how": self.how}


NOT_THERE = Verdict(UNKNOWN)
