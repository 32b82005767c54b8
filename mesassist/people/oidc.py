"""OIDC: a tenant's own sign-in in allauth's terms; every token is checked, every request goes through the guard."""

import base64
import json
from typing import Any, NoReturn
from urllib.parse import urlsplit

import structlog
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest
from django.shortcuts import render
from django.urls import reverse

from mesassist.people.oidc_keys import provider_key
from mesassist.people.oidc_wire import GuardedSession, IssuerAway
from mesassist.people.vouching import Claim, NotVouched, admit_person
from mesassist.tenants.models import IdentityProvider
from mesassist.tenants.sealed import open_secret

log = structlog.get_logger(__name__)
WELL_KNOWN = "/.well-known/openid-configuration"
# Signed with the issuer's private key; a secret that both sides know would let us sign for it.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
NONCE = "oidc_nonce"


class ProviderAdapter(DefaultSocialAccountAdapter):
    """The only provider is the active tenant's row; allauth's own table of apps stays empty."""

    def get_requests_session(self) -> GuardedSession:
        """The guarded way out."""
        return GuardedSession()

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        """The active tenant's provider, as an app that is never saved."""
        row = IdentityProvider.objects.select_related("tenant").filter(enabled=True).first()
        return [app_of(row)] if row and provider in (None, provider_key(row)) else []

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> "TenantProvider":
        """Ours, with its own reading of what the issuer says."""
        return TenantProvider(request, app=self.get_app(request, provider=provider, client_id=client_id))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Accounts are made by `vouching` or not at all."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Decide whom the claim opens, before anybody is signed in."""
        provider = sociallogin.provider.app.identity
        address = sociallogin.email_addresses[0] if sociallogin.email_addresses else EmailAddress()
        name = f"{sociallogin.user.first_name} {sociallogin.user.last_name}".strip()
        claim = Claim(email=address.email, email_verified=address.verified, name=name)
        linked = sociallogin.user if sociallogin.is_existing else None
        try:
            person = admit_person(provider=provider, claim=claim, linked=linked)
        except NotVouched as refusal:
            log.warning("provider_refused", tenant=provider.tenant_id, reason=str(refusal))
            raise ImmediateHttpResponse(render_refusal(request, provider)) from refusal
        if linked is None:
            sociallogin.user = sociallogin.account.user = person
            sociallogin.account.save()

    def on_authentication_error(self, request: HttpRequest, provider: Any, **about: Any) -> NoReturn:
        """One page for whatever went wrong on the way; the log knows more."""
        error = about.get("exception")
        log.warning("provider_failed", error=type(error).__name__, said=str(error)[:200] if error else None)
        raise ImmediateHttpResponse(render(request, "people/company_failed.html", status=401))


class TenantProvider(OpenIDConnectProvider):
    """Reads the checked claims; of these only the address is kept."""

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What is stored beside the link."""
        return {"email": data["id_token"].get("email", "")}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """The address; verified only if the issuer says so in as many words."""
        claims = data["id_token"]
        verified = claims.get("email_verified") in (True, "true")
        return (
            [EmailAddress(email=str(claims["email"]), verified=verified, primary=True)] if claims.get("email") else []
        )


class TenantIssuer(OpenIDConnectOAuth2Adapter):
    """One exchange with the tenant's issuer: discovery, code for token, and a token that is checked in full."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the issuer publishes; raises `IssuerAway` when it speaks for another one."""
        if not hasattr(self, "_openid_config"):
            self._openid_config = read_discovery(self.get_provider().app.identity.issuer)
        return self._openid_config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Under the tenant's own address: an answer meant for one tenant arrives at no other."""
        return callback_url(request, app.identity)

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **options: Any) -> SocialLogin:
        """The claims of the identity token, completed where the address is only told on asking."""
        claims = self._decode_id_token(app, options["response"].get("id_token") or "")
        if claims.get("nonce") != request.session.pop(NONCE, None):
            raise OAuth2Error("The token belongs to another sign-in.")
        if not claims.get("email"):
            told = self._fetch_user_info(token.token)
            if told.get("sub") != claims["sub"]:
                raise OAuth2Error("The issuer tells of another person than the token.")
            claims = told | claims
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims})

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        """The claims, once signature, issuer, audience and time are right; raises `OAuth2Error`."""
        try:
            header = id_token.split(".")[0]
            algorithm = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"]
            if algorithm not in ALGORITHMS:
                raise OAuth2Error("The token is signed in a way that proves nothing.")
            claims: dict[str, Any] = jwtkit.verify_and_decode(
                credential=id_token,
                keys_url=self.openid_config["jwks_uri"],
                issuer=self.openid_config["issuer"],
                audience=app.client_id,
                lookup_kid=jwtkit.lookup_kid_jwk,
                verify_signature=True,
            )
            if not isinstance(claims["sub"], str) or "exp" not in claims:
                raise OAuth2Error("The token names nobody, or never ends.")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OAuth2Error("The token cannot be read.") from error
        return claims


def read_discovery(issuer: str) -> dict[str, Any]:
    """The issuer's configuration; raises `IssuerAway` with a sentence for whoever sets it up."""
    with GuardedSession() as session:
        answer = session.get(issuer.rstrip("/") + WELL_KNOWN)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    if str(found.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise IssuerAway("The issuer calls itself by another address. Enter that one.")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if urlsplit(str(found.get(name))).scheme not in ("https", "http"):
            raise IssuerAway(f"The issuer publishes no {name}.")
    return found


def app_of(row: IdentityProvider) -> SocialApp:
    """The row as allauth's app, in memory only."""
    app = SocialApp(
        provider=OpenIDConnectProvider.id,
        provider_id=provider_key(row),
        name=row.name,
        client_id=row.client_id,
        secret=open_secret(row, "client_secret", purpose="sign in at the issuer"),
        settings={"server_url": row.issuer, "oauth_pkce_enabled": True},
    )
    app.identity = row
    return app


def callback_url(request: HttpRequest, row: IdentityProvider) -> str:
    """Where the issuer sends people back to."""
    return request.build_absolute_uri(reverse("people:company-back", args=[row.tenant.slug]))


def render_refusal(request: HttpRequest, row: IdentityProvider) -> Any:
    """The page for whoever is known to the company and not to the plant."""
    return render(request, "people/company_refused.html", {"plant": row.tenant}, status=403)
