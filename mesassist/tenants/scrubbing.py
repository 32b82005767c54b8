"""Scrubbing: secrets taken out of whatever is written for people to read: log lines, tracebacks, error texts.

Two nets: the very values that this process sealed or opened, in the forms in which they travel, and patterns for
secrets that it never held. It imports nothing of the house: the settings load it with the logs.
"""

import base64
import json
import re
import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[secret]"
# As values and not as hashes: a hash finds nothing inside a longer text. They are in this process's memory anyway
# while they are used; the oldest leave when there are this many.
KEPT = 256
# A shorter one would take ordinary words out of the log.
SHORTEST = 6
# So many signs in a row of a secret give it away in part.
PART = 8
PATTERNS = (
    re.compile(r"\b(?:sk|pk|rk)-[\w.*-]{6,}"),
    re.compile(r"\bmes_[0-9a-f]{16,}"),
    re.compile(r"(?i)(?<=api-key )[^\s\"'<>\\,;]{6,}"),
    re.compile(r"(?i)(?<=bearer )[^\s\"'<>\\,;]{6,}"),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/=_-]{8,}"),
    re.compile(r"(?<=://)[^/\s\"'<>@]*:[^/\s\"'<>@]+(?=@)"),
    re.compile(r"(?i)(?<=[?&](?:key|pwd)=)[^&\s\"'<>\\]+"),
    re.compile(r"(?i)(?<=[?&](?:token)=)[^&\s\"'<>\\]+"),
    re.compile(r"(?i)(?<=[?&](?:api_key|api-key)=)[^&\s\"'<>\\]+"),
    re.compile(r"(?i)(?<=[?&](?:secret|apikey)=)[^&\s\"'<>\\]+"),
    re.compile(r"(?i)(?<=[?&](?:password)=)[^&\s\"'<>\\]+"),
    re.compile(r"(?i)(?<=[?&](?:access_token)=)[^&\s\"'<>\\]+"),
)

_known: OrderedDict[str, tuple[str, ...]] = OrderedDict()
_lock = threading.Lock()


def remember(secret: str) -> None:
    """Keep this value out of everything that is scrubbed from now on."""
    if len(secret) < SHORTEST:
        return
    with _lock:
        if secret in _known:
            _known.move_to_end(secret)
            return
        _known[secret] = tuple(forms_of(secret))
        if len(_known) > KEPT:
            _known.popitem(last=False)


def forms_of(secret: str) -> Iterator[str]:
    """The secret as it travels, the longest first: as it is, in base64, in addresses, in JSON."""
    raw = secret.encode()
    forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    # In a longer text base64 begins at any of three places; what stands for whole signs of ours is the same in each.
    for shift in range(3):
        begin = -shift % 3
        whole = raw[begin : begin + (len(raw) - begin) // 3 * 3]
        if len(whole) >= SHORTEST:
            forms |= {base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode()}
    forms.add(base64.b64encode(raw).decode())
    return iter(sorted(forms, key=len, reverse=True))


def scrub(text: str) -> str:
    """The text without secrets."""
    with _lock:
        known = list(_known.values())
    for forms in known:
        for form in forms:
            if form in text:
                text = text.replace(form, MASK)
    for pattern in PATTERNS:
        text = pattern.sub(MASK, text)
    return text


def scrub_parts(text: str, *, secret: str) -> str:
    """The text without secrets and without pieces of this one: services repeat part of a key that they refuse."""
    pieces = {secret[at : at + PART] for at in range(len(secret) - PART + 1)} or {secret} - {""}
    for at in range(len(text) - PART, -1, -1):
        if text[at : at + PART] in pieces:
            text = f"{text[:at]}{MASK}{text[at + PART :]}"
    if secret:
        text = text.replace(secret, MASK)
    return scrub(text)


def guard_uncaught() -> None:
    """Scrub what Python itself prints when nobody catches an error, in the main thread and in others."""
    sys.excepthook = _print_scrubbed
    threading.excepthook = lambda left: _print_scrubbed(left.exc_type, left.exc_value, left.exc_traceback)


def _print_scrubbed(kind: Any, error: Any, trace: Any) -> None:
    if sys.stderr is not None:
        sys.stderr.write(scrub("".join(traceback.format_exception(kind, error, trace))))
