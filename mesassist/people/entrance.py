"""Entrance: the sign-in page, the way to the administration, and a forgotten password."""

from http import HTTPStatus
from typing import Any

from allauth.account.views import LoginView, PasswordResetView
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mesassist.people.forms import SignInForm

DEMO_PEOPLE = (
    ("ana", _("operator at Alfa: looks and asks")),
    ("boris", _("manager at Alfa: also settings and summaries")),
    ("carla", _("manager at Beta: another plant")),
    ("admin", _("platform staff: the administration")),
)


class SignIn(LoginView):
    """The sign-in page; in the demo it names the people one may be."""

    template_name = "sign_in.html"
    form_class = SignInForm

    def get_form_class(self) -> type[SignInForm]:
        """Ours, whatever allauth's settings name."""
        return SignInForm

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        """The form again; 429 when it was tried too often, so that programs notice too."""
        answer: HttpResponse = super().form_invalid(form)
        if form.tried_too_often:
            answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The form, and the demo's cast where it exists."""
        demo = DEMO_PEOPLE if settings.DEMO and settings.DEBUG else ()
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"demo_people": demo, "next": self.get_next_url() or ""}


class ForgottenPassword(PasswordResetView):
    """Mails a link to choose another password; without mail it says whom to ask."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Where mail reaches nobody, a form would be a promise that is not kept."""
        if not settings.MAIL_REACHES_PEOPLE:
            return render(request, "account/no_mail.html", {"contact": settings.PORTAL_CONTACT})
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer


@never_cache
@require_safe
def by_invitation(request: HttpRequest) -> HttpResponse:
    """Says that accounts are made by invitation."""
    return render(request, "account/signup_closed.html")


@never_cache
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The portal's own sign-in stands before the administration: the admin's would ask for no second factor."""
    if request.user.is_authenticated:
        if request.user.is_staff:
            return redirect("admin:index")
        raise PermissionDenied(_("The administration is for the platform's staff."))
    target = request.GET.get("next", reverse("admin:index"))
    return redirect(f"{reverse('sign-in')}?{urlencode({'next': target})}")
