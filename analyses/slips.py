"""Slips: what would leave the house, shown before it leaves; nothing is stored, held or sent."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from analyses.answers import Usage
from analyses.asking import compose_request, read_wish
from analyses.prices import Cost, price_usage
from mesassist.tenants.models import Tenant, User
from production.models import Summary
from production.summaries import SummarySpec, Warned

# What makes figures doubtful; other warnings only say how they were counted.
DOUBTFUL = frozenset({"stale", "unknown_share", "uncycled", "over_100", "several_zones", "no_shift", "unscheduled"})


@dataclass(frozen=True)
class Slip:
    """The exact request, where it would go, its tokens, the most it can cost (None: unknown), what is left out, which
    names stay, and what makes the figures doubtful."""

    request: dict[str, Any]
    destination: str
    tokens_estimated: int
    cost_estimated: Cost | None
    left_out: list[dict[str, Any]]
    aliases: dict[str, str]
    doubts: tuple[Warned, ...]

    @property
    def gate(self) -> str:
        """`green`, or `amber` where there are doubts; `red` is a refusal, as when it is asked."""
        return "amber" if self.doubts else "green"

    @property
    def text(self) -> str:
        """The messages one after the other, as a person reads them."""
        return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in self.request["messages"])


def preview_request(
    *,
    tenant: Tenant,
    spec: SummarySpec | None = None,
    summary: Summary | None = None,
    question: str = "",
    asked_by: User | None,
    trigger: str,
    now: dt.datetime,
) -> Slip:
    """What asking this now would send; raises the refusals of asking, but for those of the budget."""
    asked = read_wish(
        tenant=tenant,
        spec=spec,
        summary=summary,
        question=question,
        asked_by=asked_by,
        trigger=trigger,
        idempotency_key="",
        now=now,
    )
    composed = compose_request(asked)
    assistant, tokens = asked.assistant, composed.prompt.tokens
    # An answer as long as it may be: nobody pays more than was shown.
    most = Usage(tokens, 0, assistant.max_answer_tokens, 0, estimated=True)
    return Slip(
        request=composed.request,
        destination=assistant.base_url,
        tokens_estimated=tokens,
        cost_estimated=price_usage(usage=most, model=assistant.model, endpoint=assistant.base_url, at=now),
        left_out=composed.prompt.left_out,
        aliases=composed.aliases,
        doubts=tuple(warning for warning in composed.data.warnings if warning.code in DOUBTFUL),
    )
