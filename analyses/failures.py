"""Failures: every way an analysis can end badly, as a stable code, a sentence, and what to do next."""

from dataclasses import dataclass

CREDENTIALS = "credentials"
MODEL_NOT_FOUND = "model_not_found"
QUOTA_EXHAUSTED = "quota_exhausted"
RATE_LIMITED = "rate_limited"
CONTEXT_TOO_LONG = "context_too_long"
TIMEOUT = "timeout"
UNREACHABLE = "unreachable"
BLOCKED_DESTINATION = "blocked_destination"
PROTOCOL = "protocol"
INCOMPLETE = "incomplete"
CONTENT_FILTER = "content_filter"
REFUSED = "refused"
CANCELLED = "cancelled"
EXPIRED = "expired"
INTERNAL = "internal"

SENTENCES = {
    CREDENTIALS: (
        "The endpoint did not accept the token.",
        "A manager enters a valid token under Assistant; then analyse again.",
    ),
    MODEL_NOT_FOUND: (
        "The endpoint does not offer this model.",
        "A manager chooses another model, or checks the endpoint's address, under Assistant.",
    ),
    QUOTA_EXHAUSTED: (
        "The account at the model service has no credit left.",
        "A manager tops up the account or raises its limit there; waiting does not help.",
    ),
    RATE_LIMITED: (
        "The model service takes no more requests for now.",
        "Wait a few minutes, then analyse again.",
    ),
    CONTEXT_TOO_LONG: (
        "The prompt is longer than this model can read.",
        "Choose a shorter period, or a manager lowers the prompt limit under Assistant.",
    ),
    TIMEOUT: (
        "The answer did not arrive in time.",
        "Analyse again; if it happens often, a manager chooses a faster model or a shorter answer.",
    ),
    UNREACHABLE: (
        "The endpoint cannot be reached or is out of order.",
        "Analyse again later; if it lasts, a manager checks the endpoint with Test connection under Assistant.",
    ),
    BLOCKED_DESTINATION: (
        "The endpoint's address is not one the portal may call.",
        "A manager enters the final address of the service, ending in /v1, under Assistant.",
    ),
    PROTOCOL: (
        "The endpoint's answer cannot be read as a model's answer.",
        "A manager checks that the address under Assistant is an OpenAI-compatible one, ending in /v1.",
    ),
    INCOMPLETE: (
        "The answer broke off before its end.",
        "Read what arrived with care, then analyse again.",
    ),
    CONTENT_FILTER: (
        "A content filter of the model service stopped the answer.",
        "Put the question in other words, or choose another period.",
    ),
    REFUSED: (
        "The model declined to answer.",
        "Put the question in other words, or a manager chooses another model.",
    ),
    CANCELLED: ("The analysis was cancelled.", "Analyse again when you need it."),
    EXPIRED: (
        "The analysis waited too long for its turn.",
        "Analyse again; if it happens often, ask the platform's staff for more workers.",
    ),
    INTERNAL: (
        "The portal could not finish this analysis.",
        "Analyse again; if it fails again, tell the platform's staff its number.",
    ),
}


@dataclass(frozen=True)
class Failure:
    """How an analysis ended badly: what an operator reads, and the code that programs rely on."""

    code: str
    message: str
    next_step: str


def describe_failure(code: str, *, message: str = "", next_step: str = "") -> Failure:
    """The failure of that code, with its own sentences where given."""
    usual_message, usual_step = SENTENCES[code]
    return Failure(code=code, message=message or usual_message, next_step=next_step or usual_step)
