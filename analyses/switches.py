"""Switches: the platform's staff stop the assistant, of everybody or of one tenant; it holds within seconds."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from analyses.models import AssistantSettings, KillSwitch


@dataclass(frozen=True)
class Stop:
    """Why nothing is asked for now: a sentence for people."""

    message: str


def find_stop(*, assistant: AssistantSettings) -> Stop | None:
    """The stop that holds for a tenant's assistant, or None."""
    switch = KillSwitch.objects.filter(stopped=True).first()
    if switch is not None:
        reason = f" {switch.reason}" if switch.reason else ""
        return Stop(_("The platform's staff have stopped the assistant for now.") + reason)
    if assistant.suspended:
        return Stop(_("The platform's staff have suspended this plant's assistant."))
    return None


def set_switch(*, stopped: bool, reason: str = "") -> None:
    """Stop the assistant of every tenant, or let it go on. Needs a scope that may write the platform's rows."""
    KillSwitch.objects.update_or_create(pk=1, defaults={"stopped": stopped, "reason": reason})
