"""Forms: the definition of a summary, and a machine that events name before anybody has entered it."""

import datetime as dt
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from production.models import Line, Machine, Metric, Summary, Window
from production.viewing import WALL_CLOCK, refuse_bad_ends


def moment_input() -> forms.DateTimeInput:
    """A browser's own date and time field."""
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format=WALL_CLOCK)


# What a calendar of a plant can mean; beyond it lie the years that arithmetic with zones falls out of.
FIRST, LAST = dt.datetime(1980, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
IN_CALENDAR = (MinValueValidator(FIRST), MaxValueValidator(LAST))
DAY_IN_CALENDAR = (MinValueValidator(FIRST.date()), MaxValueValidator(LAST.date()))


def set_out_fields(form: forms.BaseForm) -> None:
    """Give the fields of a form that filters a list the looks that crispy gives to those of a page."""
    for field in form.fields.values():
        choosing = isinstance(field.widget, forms.Select)
        field.widget.attrs["class"] = "form-select" if choosing else "form-control"


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


class MachineForm(forms.ModelForm):
    """A new machine; what else there is to say of it is said in the administration."""

    line: "forms.ModelChoiceField[Line]" = forms.ModelChoiceField(label=_("Line"), queryset=None)

    class Meta:
        model = Machine
        fields = ["code", "name", "line"]
        help_texts = {"code": _("Exactly as the events name it.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lines = Line.objects.select_related("site")
        self.fields["line"].queryset = lines  # type: ignore[attr-defined]
        self.fields["line"].empty_label = None if len(lines) == 1 else _("Choose a line")  # type: ignore[attr-defined]

    def clean_code(self) -> str:
        """A code is taken once per plant."""
        code: str = self.cleaned_data["code"]
        if Machine.objects.filter(code=code).exists():
            raise forms.ValidationError(_("There is a machine with this code already. Its rows can be sent again."))
        return code
