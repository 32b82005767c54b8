"""Adapters: where our rules enter allauth: who may try, what is mailed, how second factors are stored."""

import smtplib
import time
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from mesassist.people.backend import find_person
from mesassist.people.freshness import proved_within
from mesassist.people.limits import TriedTooOften, count_attempt, remember_browser
from mesassist.people.oidc_keys import tenant_of_key
from mesassist.people.presence import SIGNED_IN_AT
from mesassist.tenants.factors import reveal_factor, seal_factor
from mesassist.tenants.gates import THROUGH_TENANT
from mesassist.tenants.models import User

log = structlog.get_logger(__name__)
WRONG = _("User name and password do not fit together. Check both; capital letters count.")


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by invitation; signing in is limited; mail that fails never fails the page."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": WRONG,
        "email_password_mismatch": WRONG,
        "too_many_login_attempts": _("Too many attempts. Wait ten minutes, or reset your password."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up by himself."""
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The person, if name and password fit; raises the form's error when it was tried too often."""
        login = credentials.get("username") or credentials.get("email") or ""
        person = find_person(login)
        try:
            uses = count_attempt(request, login=login, person_id=person.pk if person else None)
        except TriedTooOften as limit:
            raise self.validation_error("too_many_login_attempts") from limit
        found = authenticate(request, **credentials)
        if isinstance(found, User):
            # Only what this attempt used is given back: a right password must not wipe out the wrong ones before it.
            for use in uses:
                use.rollback()
            return found
        return None

    def login(self, request: HttpRequest, user: Any) -> None:
        """Sign in under a new session key; who came through a tenant's own sign-in is kept to that tenant."""
        super().login(request, user)
        request.session[SIGNED_IN_AT] = time.time()
        vouched = [proof for proof in get_authentication_records(request, user) if proof["method"] == "socialaccount"]
        if vouched:
            request.session[THROUGH_TENANT] = tenant_of_key(vouched[-1]["provider"])
        else:
            request.session.pop(THROUGH_TENANT, None)

    def post_login(self, request: HttpRequest, user: Any, **options: Any) -> HttpResponse:
        """Remember the browser with the answer."""
        response: HttpResponse = super().post_login(request, user, **options)
        remember_browser(request, response, user.pk)
        return response

    def is_safe_url(self, url: str | None) -> bool:
        """Whether `url` stays on this very host."""
        host = self.request.get_host()
        return url_has_allowed_host_and_scheme(url, allowed_hosts={host}, require_https=self.request.is_secure())

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """Not right after signing in: asking for the same password twice in a minute protects nothing."""
        return not proved_within(self.request, seconds=settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Hand a mail in; when that fails the log says so, and whoever waits for it asks again."""
        try:
            super().send_mail(template_prefix, email, context | {"contact": settings.PORTAL_CONTACT})
        except (OSError, smtplib.SMTPException) as error:
            log.warning("mail_not_sent", template=template_prefix, error=type(error).__name__)


class FactorAdapter(DefaultMFAAdapter):
    """Second factors are sealed: a copy of the database alone makes no codes."""

    def encrypt(self, text: str) -> str:
        """Sealed under the newest key."""
        return seal_factor(text)

    def decrypt(self, encrypted_text: str) -> str:
        """The secret, to check one code."""
        return reveal_factor(encrypted_text)
