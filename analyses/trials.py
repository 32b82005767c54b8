"""Trials: does the endpoint that a plant has saved answer? One tiny request, with the saved token."""

from analyses import failures
from analyses.credentials import open_token
from analyses.failures import describe_failure
from analyses.gateway import Trial, try_endpoint
from analyses.models import AssistantSettings
from mesassist.tenants.secrets import SecretUnreadable

NOTHING_SAVED = "There is no endpoint or no model to test."
SAVE_FIRST = "Enter both, save, and test again."


def try_assistant(*, assistant: AssistantSettings) -> Trial:
    """What one word from the saved endpoint takes; never raises for what an endpoint can do wrong."""
    if not assistant.configured:
        return _fell_through(failures.MODEL_NOT_FOUND, NOTHING_SAVED, SAVE_FIRST)
    try:
        token = open_token(assistant=assistant, purpose="trial")
    except SecretUnreadable:
        return _fell_through(failures.CREDENTIALS, "The stored token cannot be opened.", "Enter it again and save.")
    return try_endpoint(endpoint=assistant.base_url, token=token, model=assistant.model)


def _fell_through(code: str, message: str, next_step: str) -> Trial:
    error = describe_failure(code, message=message, next_step=next_step)
    return Trial(ok=False, model="", latency_ms=0, error=error)
