"""Models: each tenant's assistant, and every analysis with what was sent, answered and paid."""

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from uuid_utils.compat import uuid7

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import TenantManager, TenantModel
from mesassist.tenants.secrets import SealedField
from production.models import Summary

DEFAULT_ROLE = (
    "You are an experienced production engineer. You advise the people who run this plant: calm, concrete, brief."
)
DEFAULT_QUERY = (
    "What stands out in this period? Name the biggest losses with their figures, the likely causes the figures "
    "support, and what to look at first."
)


class AliasKind(models.TextChoices):
    """What kinds of names a tenant may keep to itself."""

    MACHINE = "MACHINE", "machines"
    LINE = "LINE", "lines"
    SITE = "SITE", "sites"
    PRODUCT = "PRODUCT", "products"
    ORDER = "ORDER", "orders"
    PERSON = "PERSON", "people"


def every_kind() -> list[str]:
    """All kinds of names: who switches aliases on means them all until they say otherwise."""
    return list(AliasKind.values)


class OnUnknown(models.TextChoices):
    """What becomes of an analysis whose worker was lost in mid-call: nobody knows whether the call is paid."""

    RETRY = "retry", "ask again (the call may be paid twice)"
    FAIL = "fail", "let the analysis fail"


class AssistantSettings(models.Model):
    """One tenant's assistant: where it asks, as whom, how much, and whether it is there at all."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="+", editable=False)
    token = SealedField(blank=True, editable=False, bound_to="assistant.token")
    token_hint = models.CharField(max_length=4, blank=True, editable=False)
    model = models.CharField(max_length=120, blank=True)
    # Not a URLField: that refuses the short host names of a plant's own network. `tenants.egress` decides.
    base_url = models.CharField(
        "endpoint", max_length=300, blank=True, help_text="An OpenAI-compatible address ending in /v1."
    )
    role = models.TextField(default=DEFAULT_ROLE, help_text="Who the assistant is.")
    query = models.TextField("main query", default=DEFAULT_QUERY, help_text="What one click asks.")
    temperature = models.FloatField(default=0.2, validators=[MinValueValidator(0), MaxValueValidator(2)])
    max_answer_tokens = models.PositiveIntegerField(
        "tokens of an answer, at most", default=1200, validators=[MinValueValidator(16)]
    )
    max_summary_facts = models.PositiveIntegerField(
        "facts sent, at most", default=60, validators=[MinValueValidator(1)]
    )
    max_prompt_tokens = models.PositiveIntegerField(
        "tokens of a request, at most", default=6000, validators=[MinValueValidator(500)]
    )
    daily_token_limit = models.PositiveBigIntegerField(
        "tokens a day, at most", null=True, blank=True, help_text="Empty: no limit."
    )
    language = models.CharField(max_length=5, choices=settings.LANGUAGES, default="en")
    aliases_enabled = models.BooleanField(
        "names stay here", default=False, help_text="Names are replaced before anything is sent, and put back after."
    )
    alias_kinds = ArrayField(
        models.CharField(max_length=8, choices=AliasKind.choices), verbose_name="which names", default=every_kind
    )
    hidden = models.BooleanField(
        "hidden everywhere", default=False, help_text="Hide the assistant everywhere in this tenant."
    )
    on_unknown = models.CharField(
        "when a worker is lost in mid-call",
        max_length=5,
        choices=OnUnknown.choices,
        default=OnUnknown.RETRY,
        db_default="retry",
    )
    # The platform's staff set these three.
    at_once = models.PositiveSmallIntegerField(
        "analyses at once, at most", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    queue_limit = models.PositiveIntegerField(
        "analyses waiting, at most", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    suspended = models.BooleanField(
        default=False, db_default=False, help_text="Nothing is asked for this tenant until this is off."
    )

    objects: ClassVar[models.Manager[Self]] = TenantManager()

    class Meta:
        verbose_name = verbose_name_plural = "assistant"

    def __str__(self) -> str:
        return f"assistant of tenant {self.tenant_id}"

    @property
    def configured(self) -> bool:
        """Whether there is somewhere to ask. A local endpoint may need no token."""
        return bool(self.model and self.base_url)


class Alias(TenantModel):
    """What stands for a name of the plant in everything that is sent; it never changes and is never given twice."""

    kind = models.CharField(max_length=8, choices=AliasKind.choices)
    name = models.CharField(max_length=150)
    alias = models.CharField(max_length=16)

    class Meta:
        ordering = ["kind", "alias"]
        verbose_name_plural = "aliases"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "name"], name="alias_of_name"),
            models.UniqueConstraint(fields=["tenant", "alias"], name="alias_once"),
        ]

    def __str__(self) -> str:
        return f"{self.alias} = {self.name}"


class Status(models.TextChoices):
    """Where an analysis is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (Status.QUEUED, Status.RUNNING)


class Trigger(models.TextChoices):
    """Who or what asked."""

    BUTTON = "button"
    CHAT = "chat"
    API = "api"
    SCHEDULE = "schedule"
    INCIDENT = "incident"


class Analysis(TenantModel):
    """One question to the assistant: a row first, a message second, a lease third.

    Every change of `status` is a conditional UPDATE in `analyses.leases`, called by `analyses.runs`. `request` is the
    body that is sent; `request_sha256` is that of its bytes, sorted compact JSON (`gateway.canonical_bytes`).
    """

    # Not a column: whether `runs.request_analysis` found this row instead of making it.
    was_there = False

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    summary = models.ForeignKey(Summary, on_delete=models.SET_NULL, null=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    question = models.TextField(blank=True)
    spec = models.JSONField(null=True)  # SummarySpec as asked for, so that it can be asked again
    idempotency_key = models.CharField(max_length=200, blank=True)
    dedup_key = models.CharField(max_length=64, blank=True)  # the same person asking the same again

    # what was sent
    endpoint = models.CharField(max_length=300)
    model_requested = models.CharField(max_length=120)
    temperature = models.FloatField()
    request = models.JSONField()
    request_sha256 = models.CharField(max_length=64, blank=True)
    prompt_tokens_estimated = models.PositiveIntegerField(default=0)
    aliases = models.JSONField(default=dict)  # {"MACHINE-A": "Press 2"}: the names that did not travel
    left_out = models.JSONField(default=list)  # [{"what": "facts", "count": 12, "detail": "..."}]
    data = models.JSONField(null=True)  # SummaryData as it was, with its facts
    data_sha256 = models.CharField(max_length=64, blank=True)
    window_from = models.DateTimeField(null=True)
    window_to = models.DateTimeField(null=True)
    newest_event_at = models.DateTimeField(null=True)

    # what came back
    answer = models.TextField(blank=True)
    model_answered = models.CharField(max_length=120, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    provider_request_id = models.CharField(max_length=120, blank=True)
    numbers = models.JSONField(null=True)  # the guard's verdicts
    prompt_tokens = models.PositiveBigIntegerField(null=True)
    cached_tokens = models.PositiveBigIntegerField(null=True)
    completion_tokens = models.PositiveBigIntegerField(null=True)
    reasoning_tokens = models.PositiveBigIntegerField(null=True)
    usage_estimated = models.BooleanField(default=False)
    cost_micros = models.PositiveBigIntegerField(null=True)  # empty: unknown price
    currency = models.CharField(max_length=3, blank=True)
    price_version = models.CharField(max_length=60, blank=True)
    error_code = models.CharField(max_length=24, blank=True)
    error_message = models.TextField(blank=True)
    error_next_step = models.TextField(blank=True)

    # its life
    attempts = models.PositiveSmallIntegerField(default=0)
    # Defaults in the database: the release before this one goes on writing rows while it is replaced.
    max_attempts = models.PositiveSmallIntegerField(default=3, db_default=3)
    owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField()
    rung_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    cancel_requested = models.BooleanField(default=False)
    input_sha256 = models.CharField(max_length=64, blank=True, db_default="")  # the same for the same wish
    poison = models.BooleanField(default=False, db_default=False)  # every worker that took it was lost
    reserved_tokens = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    first_token_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "analyses"
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="running") | models.Q(owner__isnull=False, lease_until__isnull=False),
                name="running_has_an_owner",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["queued", "running"]) | models.Q(finished_at__isnull=False),
                name="final_has_an_end",
            ),
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                condition=~models.Q(idempotency_key=""),
                name="idempotency_key_once",
            ),
            models.UniqueConstraint(
                fields=["tenant", "dedup_key"],
                condition=models.Q(status__in=["queued", "running"]) & ~models.Q(dedup_key=""),
                name="one_open_analysis_per_question",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "-created_at", "-id"], name="analysis_history"),
            models.Index(
                fields=["status", "next_attempt_at"],
                condition=models.Q(status__in=["queued", "running"]),
                name="analysis_open",
            ),
        ]

    def __str__(self) -> str:
        return f"analysis {self.id}"


class Attempt(TenantModel):
    """One call of the model, written before it is made: what is sent is paid, whatever happens next."""

    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveSmallIntegerField()
    owner = models.UUIDField()
    sent_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=24, blank=True, help_text="answered, or the failure's code; empty: unknown.")
    retryable = models.BooleanField(default=False)
    http_status = models.PositiveSmallIntegerField(null=True)
    tokens = models.PositiveBigIntegerField(default=0, help_text="What this call cost, reported or estimated.")
    envelope = models.JSONField(null=True)  # the answer as it came, before anything was read from it

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["tenant", "analysis", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.analysis_id}"


class Spend(TenantModel):
    """What a tenant's day has reserved and used; one conditional UPDATE keeps it within the limit.

    The day is the UTC day: a tenant's sites may lie in several zones, and the services' own quotas turn at that hour.
    """

    day = models.DateField()
    reserved_tokens = models.PositiveBigIntegerField(default=0)
    used_tokens = models.PositiveBigIntegerField(default=0)
    cost_micros = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "day"], name="spend_per_day")]

    def __str__(self) -> str:
        return f"spend of {self.day}"


class BreakerState(models.TextChoices):
    """Whether calls of an endpoint are let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(TenantModel):
    """The circuit between a tenant and one endpoint: opened by failures that more calls would only repeat.

    `retry_at` empty while open: waiting does not help, somebody must change the settings or press "Try now".
    `allowance` is how many calls may be under way at once, empty for as many as the settings let; after an outage it
    begins at 1 and grows with each answer. Every change is a conditional UPDATE in `analyses.breakers`.
    """

    origin = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=BreakerState.choices, default=BreakerState.CLOSED)
    fingerprint = models.CharField(max_length=64, blank=True)  # of the settings that the calls were made with
    code = models.CharField(max_length=24, blank=True)
    message = models.TextField(blank=True)
    next_step = models.TextField(blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    openings = models.PositiveIntegerField(default=0, help_text="In a row, without an answer between.")
    opened_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    probe = models.UUIDField(null=True)
    probe_until = models.DateTimeField(null=True)
    allowance = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "origin"], name="breaker_once")]

    def __str__(self) -> str:
        return f"{self.origin} is {self.get_state_display()}"


class KillSwitch(models.Model):
    """The platform's switch that stops the assistant of every tenant within seconds. There is one row or
    none, which means that nothing is stopped; it belongs to no tenant."""

    stopped = models.BooleanField(default=False, help_text="No analysis begins, and those under way are cut off.")
    reason = models.CharField(max_length=200, blank=True, help_text="People read it where they would have asked.")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = verbose_name_plural = "kill switch"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_kill_switch")]

    def __str__(self) -> str:
        return "stopped" if self.stopped else "running"
