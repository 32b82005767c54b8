"""Cards: one analysis as people see it: its stage in words, its answer, what was checked, what it cost."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from analyses.models import OPEN, Analysis, Status
from analyses.prices import Cost
from analyses.rendering import render_answer

MICROS = 1_000_000


@dataclass(frozen=True)
class Card:
    """What the result card shows. `busy`: it polls until this is over; `tone` names the badge's look."""

    analysis: Analysis
    busy: bool
    tone: str
    word: str
    stage: str
    seconds: int
    answer: SafeString
    truncated: bool
    numbers: str
    numbers_sure: bool
    tokens: str
    cost: str
    model: str
    left_out: str
    period: str
    said: str


def make_card(analysis: Analysis, *, now: dt.datetime, waits_for: str = "") -> Card:
    """The card of an analysis at `now`; `waits_for` is what is known of why it has not begun (`analyses.waiting`)."""
    busy = analysis.status in OPEN
    truncated = is_truncated(analysis)
    numbers, sure = describe_numbers(analysis.numbers)
    word = word_of(analysis)
    return Card(
        analysis=analysis,
        busy=busy,
        tone="truncated" if truncated else analysis.status,
        word=word,
        stage=describe_stage(analysis, now=now, waits_for=waits_for) if busy else "",
        seconds=max(0, int((now - analysis.created_at).total_seconds())) if busy else 0,
        answer=render_answer(analysis.answer, marks=(analysis.numbers or {}).get("marks", ())),
        truncated=truncated,
        numbers=numbers,
        numbers_sure=sure,
        tokens=describe_tokens(analysis),
        cost=describe_money(analysis),
        model=analysis.model_answered or analysis.model_requested,
        left_out=describe_left_out(analysis.left_out),
        period=describe_period(analysis.data),
        said=_("Analysis: %(status)s") % {"status": word},
    )


def is_truncated(analysis: Analysis) -> bool:
    """Whether the answer ended at its length limit: an end of its own, neither done nor failed."""
    return analysis.status == Status.DONE and analysis.finish_reason == "length"


def word_of(analysis: Analysis) -> str:
    """The status for people."""
    if is_truncated(analysis):
        return _("cut off")
    return {
        Status.QUEUED: _("waiting"),
        Status.RUNNING: _("running"),
        Status.DONE: _("done"),
        Status.FAILED: _("failed"),
        Status.CANCELLED: _("cancelled"),
    }[Status(analysis.status)]


def describe_stage(analysis: Analysis, *, now: dt.datetime, waits_for: str = "") -> str:
    """What is happening right now."""
    if analysis.cancel_requested:
        return _("Cancelling")
    if analysis.status == Status.RUNNING:
        return _("The model is writing") if analysis.answer else _("The model is reading the figures")
    if waits_for:
        return waits_for
    if analysis.attempts:
        wait = max(0, round((analysis.next_attempt_at - now).total_seconds()))
        return _("Try %(number)s begins in %(seconds)s s") % {"number": analysis.attempts + 1, "seconds": wait}
    return _("Waiting for its turn")


def describe_numbers(numbers: dict[str, Any] | None) -> tuple[str, bool]:
    """`14 of 15 numbers confirmed`, and whether that is all of them; nothing to say before the answer is checked."""
    if numbers is None:
        return "", True
    sure = numbers["found"] + numbers["derived"]
    total = sure + numbers["unknown"] + numbers["contradicted"]
    if not total:
        return _("No numbers in this answer"), True
    text = ngettext("%(sure)s of %(total)s number confirmed", "%(sure)s of %(total)s numbers confirmed", total) % {
        "sure": sure,
        "total": total,
    }
    return text, sure == total


def describe_tokens(analysis: Analysis) -> str:
    """`1,204 tokens (980 in, 224 out)`; an estimate says so."""
    if analysis.prompt_tokens is None or analysis.completion_tokens is None:
        return ""
    parts = {"in": f"{analysis.prompt_tokens:,}", "out": f"{analysis.completion_tokens:,}"}
    parts["all"] = f"{analysis.prompt_tokens + analysis.completion_tokens:,}"
    text = _("%(all)s tokens (%(in)s in, %(out)s out)") % parts
    return _("%(tokens)s, estimated") % {"tokens": text} if analysis.usage_estimated else text


def describe_money(analysis: Analysis) -> str:
    """`0.0042 USD`; an unknown price is said to be unknown, never 0."""
    if analysis.prompt_tokens is None:
        return ""
    if analysis.cost_micros is None:
        return _("unknown price")
    return write_money(analysis.cost_micros, analysis.currency)


def describe_price(cost: Cost | None) -> str:
    """The same for a price that is only estimated."""
    return write_money(cost.amount_micros, cost.currency) if cost else _("unknown price")


def write_money(micros: int, currency: str) -> str:
    """Millionths as money, with as many places as it takes, two at least."""
    amount = f"{micros / MICROS:.6f}".rstrip("0")
    whole, _dot, places = amount.partition(".")
    return f"{whole}.{places.ljust(2, '0')} {currency}"


def describe_left_out(left_out: Sequence[dict[str, Any]]) -> str:
    """What did not fit, `12 facts (F21-F32), 3 rows (M7, M8, M9)`."""
    return ", ".join(f"{part['count']} {part['what']} ({part['detail']})" for part in left_out)


def describe_period(data: dict[str, Any] | None) -> str:
    """The label of the period that was analysed."""
    return str(data["window"]["label"]) if data else ""
