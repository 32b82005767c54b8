"""Credentials: a tenant's token goes in sealed and comes out only for a call, at the address it was entered for."""

from analyses.models import AssistantSettings
from mesassist.tenants.sealed import open_secret, put_secret

LONGEST_TOKEN = 500


def put_token(*, assistant: AssistantSettings, token: str) -> None:
    """Set the token of an unsaved or saved assistant; an empty one removes it. Does not save."""
    put_secret(assistant, "token", token)
    # The last four of a short secret would be most of it.
    assistant.token_hint = token[-4:] if len(token) >= 12 else ""


def open_token(*, assistant: AssistantSettings, purpose: str) -> str:
    """The token for a call, or "" when there is none; raises `SecretUnreadable`."""
    return open_secret(assistant, "token", purpose=purpose)


def find_token_mistake(token: str) -> str:
    """What is wrong with a token as text, or ""."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "A token has no spaces, line breaks or accents. Copy it again from the service's page."
    return f"A token has at most {LONGEST_TOKEN} characters." if len(token) > LONGEST_TOKEN else ""
