"""Forms: what people type to come in, to invite others and to join."""

from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from mesassist.tenants.models import Role, Tenant, User


class SignInForm(LoginForm):
    """User name or address, and password."""

    field_order = ("username", "password")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["login"]
        name = forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"})
        self.fields["username"] = forms.CharField(label=_("User name or e-mail"), max_length=254, widget=name)
        self.fields["password"].help_text = ""
        self.fields["password"].widget.attrs.pop("placeholder", None)
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        """Check name and password, as often as the limits let it."""
        self.cleaned_data["login"] = self.cleaned_data.get("username", "").strip()
        cleaned: dict[str, Any] = super().clean()
        return cleaned

    @property
    def tried_too_often(self) -> bool:
        """Whether a limit refused the attempt."""
        return bool(self.has_error("__all__", "too_many_login_attempts"))


class InviteForm(forms.Form):
    """An address and a role."""

    email = forms.EmailField(label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.TypedChoiceField(label=_("Role"), coerce=lambda value: Role(int(value)), choices=Role.choices)


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.TypedChoiceField(label=_("Role"), coerce=lambda value: Role(int(value)), choices=Role.choices)


class RemovalForm(forms.Form):
    """The consent to a removal; one's own is asked for twice."""

    own = forms.BooleanField(
        label=_("I know that I lose access at once, and that another tenant admin would have to invite me again."),
        error_messages={"required": _("Tick this first: it is yourself that you remove.")},
    )

    def __init__(self, *args: Any, is_self: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not is_self:
            del self.fields["own"]


class PolicyForm(forms.ModelForm):
    """What the tenant asks of its members."""

    class Meta:
        model = Tenant
        fields = ("requires_second_factor",)


class JoinForm(forms.Form):
    """The name and the password of a new person."""

    name = forms.CharField(label=_("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        label=_("Password"),
        help_text=_("At least 12 characters. A sentence is easier to remember than signs."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=_("The password again"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, email: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.email = email

    def clean(self) -> dict[str, Any]:
        """Both passwords alike, and good enough for this person."""
        cleaned: dict[str, Any] = super().clean() or {}
        password, again = cleaned.get("password"), cleaned.get("again")
        if password and again and password != again:
            self.add_error("again", _("This differs from the password above."))
        elif password:
            person = User(username=self.email, email=self.email, first_name=cleaned.get("name", ""))
            try:
                validate_password(password, person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned
