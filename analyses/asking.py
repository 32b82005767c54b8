"""Asking: what a person or program asks for becomes one queued row with its tokens held, or a clear refusal."""

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Count, Q

from analyses import budget
from analyses.aliases import AliasBook
from analyses.clock import read_clock
from analyses.dispatch import RING_AGAIN_S, share_of
from analyses.gateway import canonical_bytes
from analyses.models import OPEN, Analysis, AssistantSettings, Status, Trigger
from analyses.naming import read_book
from analyses.prompts import Prompt, PromptTooLong, build_prompt
from analyses.queries import assistant_of
from analyses.refusals import (
    AssistantHidden,
    AssistantStopped,
    BudgetSpent,
    EmptyQuestion,
    KeyReused,
    NameLeft,
    NotConfigured,
    NothingToAnalyse,
    Poisoned,
    QuestionTooLong,
    QueueFull,
)
from analyses.switches import find_stop
from mesassist.tenants.models import Tenant, User
from mesassist.tenants.scope import tenant_tx
from production.calendar import shift_occurrences
from production.facts import as_dict, number_facts
from production.models import Shift, Summary
from production.summaries import SummaryData, SummarySpec, main_summary, read_summary, spec_of

POISON_KEPT = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Asked:
    """Who asks what, about which figures, for which tenant."""

    tenant: Tenant
    assistant: AssistantSettings
    spec: SummarySpec
    summary: Summary | None
    question: str
    asked_by: User | None
    trigger: str
    idempotency_key: str
    now: dt.datetime

    @property
    def dedup_key(self) -> str:
        """The same for the same person asking the same about the same, however often they click.

        A program's keys say themselves what is the same: another key is another wish, and is remembered.
        """
        wish = self.idempotency_key if self.trigger == Trigger.API else ""
        what = [self.asked_by and self.asked_by.pk, store_spec(self.spec), self.question, wish]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    @property
    def input_sha256(self) -> str:
        """The same for whoever asks the same of the same model about the same choice of figures."""
        what = [self.assistant.base_url, self.assistant.model, store_spec(self.spec), self.question]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def read_wish(
    *,
    tenant: Tenant,
    spec: SummarySpec | None,
    summary: Summary | None,
    question: str,
    asked_by: User | None,
    trigger: str,
    idempotency_key: str,
    now: dt.datetime,
) -> Asked:
    """Check a wish and complete it; raises `AssistantHidden`, `AssistantStopped`, `NotConfigured`, `EmptyQuestion`.

    A summary alone is asked the assistant's main query; a question alone is asked about the main summary's figures.
    """
    assistant = assistant_of(tenant)
    if assistant.hidden:
        raise AssistantHidden
    if stop := find_stop(assistant=assistant):
        raise AssistantStopped(stop.message)
    if not assistant.configured:
        raise NotConfigured
    chosen = spec is not None or summary is not None
    if (question and not question.strip()) or not (question or chosen):
        raise EmptyQuestion
    if spec is None:
        spec = spec_of(summary or main_summary())
    return Asked(tenant, assistant, spec, summary, question or assistant.query, asked_by, trigger, idempotency_key, now)


def find_earlier(asked: Asked) -> Analysis | None:
    """The analysis that this wish already has: same idempotency key, or the same question still open."""
    earlier: Analysis | None = None
    if asked.idempotency_key:
        earlier = Analysis.objects.filter(idempotency_key=asked.idempotency_key).first()
        if earlier and earlier.dedup_key != asked.dedup_key:
            raise KeyReused
    if earlier is None:
        earlier = Analysis.objects.filter(dedup_key=asked.dedup_key, status__in=OPEN).first()
    if earlier is not None:
        earlier.was_there = True
    return earlier


@dataclass(frozen=True)
class Composed:
    """What a wish comes to: the figures, and the body of the call with what was left out and which names stay."""

    data: SummaryData
    snapshot: dict[str, Any]
    prompt: Prompt
    request: dict[str, Any]
    aliases: dict[str, str]


def compose_request(asked: Asked) -> Composed:
    """Read the figures and write the request; nothing is stored. Raises `NothingToAnalyse`, `QuestionTooLong`,
    `NameLeft`."""
    data = read_summary(spec=asked.spec, now=asked.now)
    check_there_is_something(data)
    facts = number_facts(data)
    book = read_book(assistant=asked.assistant)
    prompt = _write_prompt(asked, data, facts, book)
    aliases = _check_names(prompt, book)
    return Composed(
        data, as_dict(data, facts), prompt, write_request(assistant=asked.assistant, prompt=prompt), aliases
    )


def record_request(asked: Asked) -> Analysis:
    """Compose the request, hold its tokens and add the row, the last two in one transaction.

    `rung_at` of the row is empty when the tenant has its share under way: the dispatcher rings for it in turn.
    Raises what `compose_request` does, `BudgetSpent`, `QueueFull` and `Poisoned`. Of two that arrive together one is
    recorded, and both get it.
    """
    _check_poison(asked)
    row = _make_row(asked, compose_request(asked))
    # A web server whose clock is ahead must not keep the analysis waiting until the others' clocks are there too.
    row.next_attempt_at = due = min(asked.now, read_clock())
    try:
        with tenant_tx():
            # The day's row is locked from here on, so requests of one tenant are counted one after the other.
            budget.reserve_tokens(tokens=row.reserved_tokens, limit=asked.assistant.daily_token_limit, at=asked.now)
            row.rung_at = due if _has_share_left(asked, due) else None
            row.save(force_insert=True)
    except budget.LimitReached as reached:
        raise BudgetSpent(
            f"Today's limit is {reached.limit:,} tokens: {reached.used:,} are used and {reached.held:,} held; "
            f"this analysis may need {reached.wanted:,}."
        ) from None
    except IntegrityError:
        earlier = find_earlier(asked)
        if earlier is None:
            raise
        return earlier
    return row


def _check_poison(asked: Asked) -> None:
    recent = Analysis.objects.filter(created_at__gt=asked.now - POISON_KEPT, input_sha256=asked.input_sha256)
    if recent.filter(poison=True).exists():
        raise Poisoned


def _has_share_left(asked: Asked, now: dt.datetime) -> bool:
    """Whether fewer of the tenant's analyses are under way than may be; raises `QueueFull`."""
    queued = Q(status=Status.QUEUED)
    on_the_way = queued & Q(rung_at__gt=now - dt.timedelta(seconds=RING_AGAIN_S), next_attempt_at__lte=now)
    counted = Analysis.objects.filter(status__in=OPEN).aggregate(
        waiting=Count("pk", filter=queued), busy=Count("pk", filter=on_the_way | Q(status=Status.RUNNING))
    )
    most = asked.assistant.queue_limit or settings.ANALYSES_QUEUED_PER_TENANT
    if counted["waiting"] >= most:
        raise QueueFull(f"{counted['waiting']:,} analyses of this plant wait already, which is as many as may.")
    return bool(counted["busy"] < share_of(asked.assistant))


def check_there_is_something(data: SummaryData) -> None:
    """Raise `NothingToAnalyse` when nothing was reported in the period."""
    for warning in data.warnings:
        if warning.code == "no_events":
            raise NothingToAnalyse(warning.text)


def shift_at(*, zone: str, now: dt.datetime) -> str:
    """The name of the shift running now at the sites of that zone, or ""."""
    shifts = list(Shift.objects.filter(site__zone=zone))
    running = shift_occurrences(shifts=shifts, zone=zone, from_at=now, to_at=now + dt.timedelta(seconds=1))
    return next((shift.name for one in running for shift in shifts if shift.pk == one.shift_id), "")


def _check_names(prompt: Prompt, book: AliasBook) -> dict[str, str]:
    """{alias: name} of what the messages hold; raises `NameLeft`."""
    sent = "\n".join(message["content"] for message in prompt.messages)
    if leaks := book.find_leaks(sent):
        raise NameLeft(f"{', '.join(leaks[:3])} would be sent although names stay here.")
    return book.used_in(sent)


def _write_prompt(asked: Asked, data: SummaryData, facts: Any, book: AliasBook) -> Prompt:
    try:
        return build_prompt(
            assistant=asked.assistant,
            data=data,
            facts=facts,
            question=asked.question,
            shift=shift_at(zone=data.period.zone, now=asked.now),
            now=asked.now,
            mask=book.mask,
        )
    except PromptTooLong as error:
        raise QuestionTooLong(f"The question is too long: {error}.") from None


def _make_row(asked: Asked, composed: Composed) -> Analysis:
    assistant, data, prompt = asked.assistant, composed.data, composed.prompt
    return Analysis(
        tenant=asked.tenant,
        status=Status.QUEUED,
        trigger=asked.trigger,
        summary=asked.summary,
        requested_by=asked.asked_by,
        question=asked.question,
        spec=store_spec(asked.spec),
        idempotency_key=asked.idempotency_key,
        dedup_key=asked.dedup_key,
        input_sha256=asked.input_sha256,
        max_attempts=settings.ANALYSIS_MAX_ATTEMPTS,
        endpoint=assistant.base_url,
        model_requested=assistant.model,
        temperature=assistant.temperature,
        request=composed.request,
        request_sha256=hashlib.sha256(canonical_bytes(composed.request)).hexdigest(),
        prompt_tokens_estimated=prompt.tokens,
        reserved_tokens=prompt.tokens + assistant.max_answer_tokens,
        aliases=composed.aliases,
        left_out=prompt.left_out,
        data=composed.snapshot,
        data_sha256=hashlib.sha256(canonical_bytes(composed.snapshot)).hexdigest(),
        window_from=data.period.from_at,
        window_to=data.period.to_at,
        newest_event_at=data.freshness.newest_event_at,
        created_at=asked.now,
        expires_at=asked.now + dt.timedelta(seconds=settings.ANALYSIS_EXPIRES_S),
    )


def write_request(*, assistant: AssistantSettings, prompt: Prompt) -> dict[str, Any]:
    """The body of the call."""
    return {
        "model": assistant.model,
        "messages": prompt.messages,
        "temperature": assistant.temperature,
        "max_completion_tokens": assistant.max_answer_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def store_spec(spec: SummarySpec) -> dict[str, Any]:
    """A spec as JSON."""
    stored = asdict(spec)
    return {
        name: value.isoformat()
        if isinstance(value, dt.datetime)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in stored.items()
    }


def load_spec(stored: dict[str, Any]) -> SummarySpec:
    """The spec that `store_spec` wrote; fields that have gone since are left out."""
    known = {field.name for field in fields(SummarySpec)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name in known
    }
    for name in ("from_at", "to_at"):
        values[name] = dt.datetime.fromisoformat(values[name]) if values.get(name) else None
    return SummarySpec(**values)
