"""Forms: the assistant's settings, with a token that can be written and never read; and a free question."""

from typing import Any

from django import forms

from analyses.credentials import find_token_mistake, put_token
from analyses.models import AliasKind, AssistantSettings
from mesassist.tenants.egress.early import judge_url
from mesassist.tenants.egress.routes import Blocked
from mesassist.tenants.models import Purpose
from production.models import Summary

LONGEST_QUESTION = 8000


class AssistantForm(forms.ModelForm):  # type: ignore[type-arg]
    """Settings of one assistant. Give it an instance with its tenant.

    An empty token keeps the stored one, `clear_token` removes it, and another endpoint drops it unless a new one comes
    along: a token never travels to an address that it was not entered for.
    """

    token = forms.CharField(
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Leave it empty to keep the present one. It is stored sealed and never shown again.",
    )
    clear_token = forms.BooleanField(required=False, label="remove the stored token")

    alias_kinds = forms.MultipleChoiceField(
        choices=AliasKind.choices, required=False, label="Which names", widget=forms.CheckboxSelectMultiple
    )

    field_order = ("base_url", "model", "token", "clear_token")

    class Meta:
        model = AssistantSettings
        fields = [
            "base_url",
            "model",
            "role",
            "query",
            "language",
            "temperature",
            "max_answer_tokens",
            "max_summary_facts",
            "max_prompt_tokens",
            "daily_token_limit",
            "on_unknown",
            "aliases_enabled",
            "alias_kinds",
            "hidden",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored_url = self.instance.base_url
        self.can_be_proposed = False

    def clean_base_url(self) -> str:
        """The address without its last slash; refused when the gateway would not call it. Asks the resolver."""
        url: str = self.cleaned_data["base_url"].strip().rstrip("/")
        if url:
            try:
                judge_url(url=url, purpose=Purpose.MODEL)
            except Blocked as blocked:
                self.can_be_proposed = blocked.can_be_approved
                raise forms.ValidationError(f"{blocked.message} {blocked.next_step}") from None
        return url

    def clean_token(self) -> str:
        """The new token, or ""."""
        token: str = self.cleaned_data["token"]
        if mistake := find_token_mistake(token):
            raise forms.ValidationError(mistake)
        return token

    def clean(self) -> dict[str, Any]:
        """Endpoint and model belong together."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("base_url") and not cleaned.get("model"):
            self.add_error("model", "Choose a model of this endpoint too.")
        if cleaned.get("model") and cleaned.get("base_url") == "":
            self.add_error("base_url", "Give the address of the endpoint that offers this model.")
        if cleaned.get("aliases_enabled") and not cleaned.get("alias_kinds"):
            self.add_error("alias_kinds", "Choose at least one kind of names, or let names travel.")
        if cleaned.get("token") and cleaned.get("clear_token"):
            self.add_error("clear_token", "Either enter a new token or remove the stored one.")
        return cleaned

    def save(self, commit: bool = True) -> AssistantSettings:
        """Save the settings, and the token as the class says."""
        token = self.cleaned_data["token"]
        moved = self._stored_url != self.cleaned_data["base_url"]
        if token or self.cleaned_data["clear_token"] or moved:
            put_token(assistant=self.instance, token=token)
        saved: AssistantSettings = super().save(commit=commit)
        return saved


class AskForm(forms.Form):
    """A free question, byte for byte as it was written, about the figures of a summary."""

    question = forms.CharField(strip=False, max_length=LONGEST_QUESTION, widget=forms.Textarea(attrs={"rows": 3}))
    summary: "forms.ModelChoiceField[Summary]" = forms.ModelChoiceField(
        queryset=None, required=False, empty_label="the plant's main summary"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["summary"].queryset = Summary.objects.all()  # type: ignore[attr-defined]

    def clean_question(self) -> str:
        """The question; blank is none."""
        question: str = self.cleaned_data["question"]
        if not question.strip():
            raise forms.ValidationError("Write a question.")
        return question
