"""Forms: the definition of a summary."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from production.models import Line, Machine, Metric, Summary, Window
from production.viewing import WALL_CLOCK, refuse_bad_ends


def moment_input() -> forms.DateTimeInput:
    """A browser's own date and time field."""
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format=WALL_CLOCK)


class SummaryForm(forms.ModelForm):
    """A summary's definition. Its fields that look up other rows are filled in the tenant's scope."""

    lines: "forms.ModelMultipleChoiceField[Line]" = forms.ModelMultipleChoiceField(
        label=_("Lines"), queryset=None, required=False, widget=forms.CheckboxSelectMultiple
    )
    machines: "forms.ModelMultipleChoiceField[Machine]" = forms.ModelMultipleChoiceField(
        label=_("Machines"), queryset=None, required=False, widget=forms.CheckboxSelectMultiple
    )
    metrics = forms.MultipleChoiceField(
        label=_("Figures"),
        choices=Metric.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one figure.")},
    )

    class Meta:
        model = Summary
        fields = ["name", "window", "from_at", "to_at", "lines", "machines", "metrics", "group_by", "compare_to"]
        widgets = {"from_at": moment_input(), "to_at": moment_input()}
        labels = {
            "window": _("Period"),
            "from_at": _("From"),
            "to_at": _("To"),
            "group_by": _("One row per"),
            "compare_to": _("Compare with"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lines"].queryset = Line.objects.all()  # type: ignore[attr-defined]
        self.fields["machines"].queryset = Machine.objects.filter(retired_at=None)  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        """A name is taken once per plant; the tenant is not a field here, so Django does not check it."""
        name: str = self.cleaned_data["name"]
        if Summary.objects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("There is a summary with this name already. Choose another name."))
        return name

    def clean(self) -> dict[str, Any]:
        """A custom period needs both ends, in order; other periods have none."""
        chosen = super().clean() or {}
        if chosen.get("window") == Window.CUSTOM:
            refuse_bad_ends(self, chosen)
        else:
            chosen["from_at"] = chosen["to_at"] = None
        return chosen
