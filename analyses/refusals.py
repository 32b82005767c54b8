"""Refusals: the ways in which an analysis is not begun, each with a code, a sentence, and what to do next."""


class AnalysisRefused(Exception):
    """An analysis that was not begun: `code` for programs, `message` and `next_step` for people."""

    code = ""
    message = ""
    next_step = ""
    retry_after_s: int | None = None

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


class QueueFull(AnalysisRefused):
    """So many of the tenant's analyses wait already that another one would not begin in good time."""

    code = "queue_full"
    retry_after_s = 60
    next_step = "Try again in a minute."


class AssistantStopped(AnalysisRefused):
    """The platform's staff have stopped the assistant, of everybody or of this tenant."""

    code = "assistant_stopped"
    retry_after_s = 60
    next_step = "Try again later."


class Poisoned(AnalysisRefused):
    """The same wish brought down every worker that took it, not long ago."""

    code = "poisoned"
    message = "The same analysis could not be finished a short while ago: each worker that took it was lost."
    next_step = "Choose another period or question, or tell the platform's staff."


class KeyReused(AnalysisRefused):
    """The same idempotency key came with another question."""

    code = "idempotency_key_reused"
    message = "This idempotency key was used for another request."
    next_step = "Send a new key with a new request."
