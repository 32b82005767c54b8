"""Addresses of one's own account, of the way in and of the way to join."""

from collections.abc import Callable
from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView

from mesassist.people import entrance, joining, own


def mine(route: str, view: Callable[..., Any], name: str) -> URLPattern:
    """A page of one's own account."""
    return path(f"account/{route}", own.only_mine(view), name=name)


urlpatterns = [
    path("sign-in/", entrance.SignIn.as_view(), name="sign-in"),
    path("sign-in/", entrance.SignIn.as_view(), name="account_login"),
    path("sign-in/factor/", factors.authenticate, name="mfa_authenticate"),
    path("sign-in/passkey/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("sign-in/inactive/", account.account_inactive, name="account_inactive"),
    path("sign-in/new/", entrance.by_invitation, name="account_signup"),
    path("sign-out/here/", account.logout, name="account_logout"),
    path("password/reset/", entrance.ForgottenPassword.as_view(), name="account_reset_password"),
    path("password/reset/sent/", account.password_reset_done, name="account_reset_password_done"),
    path("password/reset/done/", account.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    re_path(
        r"^password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("email/sent/", account.email_verification_sent, name="account_email_verification_sent"),
    re_path(r"^email/confirm/(?P<key>[-:\w]+)/$", account.confirm_email, name="account_confirm_email"),
    path("join/<str:token>/", joining.join, name="join"),
    mine("", own.account, "account"),
    mine("email/", account.email, "account_email"),
    mine("password/", account.password_change, "account_change_password"),
    mine("password/set/", account.password_set, "account_set_password"),
    mine("confirm/", account.reauthenticate, "account_reauthenticate"),
    mine("confirm/factor/", factors.reauthenticate, "mfa_reauthenticate"),
    mine("confirm/passkey/", passkeys.reauthenticate_webauthn, "mfa_reauthenticate_webauthn"),
    mine("factors/", factors.index, "mfa_index"),
    mine("factors/app/", totp.activate_totp, "mfa_activate_totp"),
    mine("factors/app/remove/", totp.deactivate_totp, "mfa_deactivate_totp"),
    mine("factors/codes/", codes.view_recovery_codes, "mfa_view_recovery_codes"),
    mine("factors/codes/new/", codes.generate_recovery_codes, "mfa_generate_recovery_codes"),
    mine("factors/codes/download/", codes.download_recovery_codes, "mfa_download_recovery_codes"),
    mine("factors/passkeys/", RedirectView.as_view(pattern_name="mfa_index"), "mfa_list_webauthn"),
    mine("factors/passkeys/new/", passkeys.add_webauthn, "mfa_add_webauthn"),
    mine("factors/passkeys/<int:pk>/", passkeys.edit_webauthn, "mfa_edit_webauthn"),
    mine("factors/passkeys/<int:pk>/remove/", passkeys.remove_webauthn, "mfa_remove_webauthn"),
    mine("sessions/", own.sessions, "usersessions_list"),
    mine("sessions/others/", own.end_others, "sessions-end-others"),
    mine("sessions/<int:session_id>/end/", own.end_one, "session-end"),
]
