"""Asking: what a person or program asks for becomes one queued row with its tokens held, or a clear refusal."""

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.conf import settings
from django.db import IntegrityError

from analyses import budget
from analyses.aliases import AliasBook
from analyses.gateway import canonical_bytes
from analyses.models import OPEN, Analysis, AssistantSettings, Status, Trigger
from analyses.naming import read_book
from analyses.prompts import Prompt, PromptTooLong, build_prompt
from analyses.queries import assistant_of
from mesassist.tenants.models import Tenant, User
from mesassist.tenants.scope import tenant_tx
from production.calendar import shift_occurrences
from production.facts import as_dict, number_facts
from production.models import Shift, Summary
from production.summaries import SummaryData, SummarySpec, main_summary, read_summary, spec_of


class AnalysisRefused(Exception):
    """An analysis that was not begun: `code` for programs, `message` and `next_step` for people."""

    code = ""
    message = ""
    next_step = ""

    def __init__(self, message: str = "", next_step: str = "") -> None:
        self.message = message or self.message
        self.next_step = next_step or self.next_step
        super().__init__(f"{self.message} {self.next_step}".strip())


class AssistantHidden(AnalysisRefused):
    """The tenant has hidden its assistant: doors answer as if there were none."""

    code = "not_found"
    message = "There is no assistant here."


class NotConfigured(AnalysisRefused):
    """There is nowhere to ask yet."""

    code = "assistant_not_configured"
    message = "The assistant has no endpoint or no model yet."
    next_step = "A manager chooses both under Assistant."


class EmptyQuestion(AnalysisRefused):
    """Neither a summary nor a question, or a blank one."""

    code = "empty_question"
    message = "There is neither a summary nor a question."
    next_step = "Choose a summary or write a question."


class NothingToAnalyse(AnalysisRefused):
    """The period holds no event: asking a model about nothing invites invention."""

    code = "nothing_to_analyse"
    next_step = "Choose another period, or check under Data whether events arrive."


class QuestionTooLong(AnalysisRefused):
    """The question leaves no room under the prompt's limit."""

    code = "context_too_long"
    next_step = "Shorten the question, or a manager raises the prompt limit under Assistant."


class NameLeft(AnalysisRefused):
    """A protected name would travel, written in a way that the aliases do not catch."""

    code = "name_left"
    next_step = "Write it as it is known here, or a manager takes it out of the assistant's role or query."


class BudgetSpent(AnalysisRefused):
    """The day's tokens are used or held."""

    code = "budget_spent"
    next_step = "Wait until midnight UTC, or a manager raises the daily limit under Assistant."


class KeyReused(AnalysisRefused):
    """The same idempotency key came with another question."""

    code = "idempotency_key_reused"
    message = "This idempotency key was used for another request."
    next_step = "Send a new key with a new request."


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
    """Check a wish and complete it; raises `AssistantHidden`, `NotConfigured`, `EmptyQuestion`.

    A summary alone is asked the assistant's main query; a question alone is asked about the main summary's figures.
    """
    assistant = assistant_of(tenant)
    if assistant.hidden:
        raise AssistantHidden
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

    Raises what `compose_request` does, and `BudgetSpent`. Of two that arrive together one is recorded, and both get it.
    """
    row = _make_row(asked, compose_request(asked))
    try:
        with tenant_tx():
            budget.reserve_tokens(tokens=row.reserved_tokens, limit=asked.assistant.daily_token_limit, at=asked.now)
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
        next_attempt_at=asked.now,
        rung_at=asked.now,
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
