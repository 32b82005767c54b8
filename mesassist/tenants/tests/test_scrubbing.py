"""Scrubbing: what this process knows to be secret, and what looks like it, is in nothing that it prints."""

import base64
import json
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesassist.tenants import scrubbing
from mesassist.tenants.scrubbing import KEPT, MASK, remember, scrub, scrub_parts

SECRET = 'p\\w"ü/+ d-0123'


@pytest.fixture(autouse=True)
def known():
    """Each test knows what it remembers, and nothing else does afterwards."""
    before = scrubbing._known.copy()
    scrubbing._known.clear()
    yield scrubbing._known
    scrubbing._known.clear()
    scrubbing._known.update(before)


class TestKnown:
    @pytest.mark.parametrize(
        "form",
        [
            SECRET,
            quote(SECRET, safe=""),
            json.dumps(SECRET)[1:-1],
            repr(SECRET)[1:-1],
            base64.b64encode(SECRET.encode()).decode(),
            base64.b64encode(f"user:{SECRET}".encode()).decode(),
        ],
        ids=["plain", "address", "json", "repr", "base64", "basic"],
    )
    def test_it_is_gone_in_every_form_in_which_it_travels(self, form):
        remember(SECRET)
        said = scrub(f"so it said {form}!")
        assert MASK in said
        assert form not in said

    @given(secret=st.text(min_size=8, max_size=40), before=st.text(max_size=9), after=st.text(max_size=9))
    def test_no_secret_survives_in_base64_wherever_it_stands(self, secret, before, after):
        remember(secret)
        said = scrub(base64.b64encode(f"{before}{secret}{after}".encode()).decode())
        # Up to two letters at either end share their signs with what stands beside them.
        raw = secret.encode()
        for at in range(3):
            inner = raw[2:-2][at : at + (len(raw[2:-2]) - at) // 3 * 3]
            assert len(inner) < 6 or base64.b64encode(inner).decode() not in said

    def test_short_words_are_left_alone(self):
        remember("on")
        assert scrub("gone on") == "gone on"

    def test_the_oldest_leaves_when_there_are_too_many(self, known):
        for number in range(KEPT + 5):
            remember(f"secret-{number:04}")
        assert len(known) == KEPT
        assert scrub("secret-0004 secret-0005") == f"secret-0004 {MASK}"


class TestPatterns:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("key sk-proj-abcdefghijkl.", f"key {MASK}"),
            ("provided: sk-al***************6789.", f"provided: {MASK}"),
            ("mes_0123456789abcdef0123456789abcdef", MASK),
            ("Authorization: Api-Key 0a1b2c3d4e5f6071", f"Authorization: Api-Key {MASK}"),
            ("{'authorization': 'Bearer abc.def-ghi'}", f"{{'authorization': 'Bearer {MASK}'}}"),
            ("Basic dXNlcjpwYXNzd29yZA==", f"Basic {MASK}"),
            ("redis://user:pass@host/0", f"redis://{MASK}@host/0"),
            ("GET /x?a=1&token=abc&b=2", f"GET /x?a=1&token={MASK}&b=2"),
            ("/x?api_key=abc", f"/x?api_key={MASK}"),
        ],
    )
    def test_what_looks_like_a_secret_is_gone(self, text, left):
        assert scrub(text) == left

    @pytest.mark.parametrize(
        "text", ["analysis 7 done", "http://host:8080/path?page=2", "risk-averse task-force", "a@b.c"]
    )
    def test_everything_else_stays(self, text):
        assert scrub(text) == text


class TestParts:
    @pytest.mark.parametrize(
        "echo", ["tok-abcd****wxyz0123", "abcdefghijkl is wrong", "tok-abcdefghijklmnopqrstuvwxyz0123"]
    )
    def test_pieces_that_a_service_repeats_are_gone(self, echo):
        secret = "tok-abcdefghijklmnopqrstuvwxyz0123"
        said = scrub_parts(f"Incorrect: {echo}", secret=secret)
        assert not any(secret[at : at + 8] in said for at in range(len(secret) - 7))
        assert said.startswith("Incorrect: ")

    def test_without_a_secret_the_words_stay(self):
        assert scrub_parts("temperature is not supported", secret="") == "temperature is not supported"


class TestUncaught:
    @pytest.mark.parametrize("thread", [False, True], ids=["main", "thread"])
    def test_what_nobody_catches_is_printed_without_its_secret(self, thread):
        program = (
            "import threading; from mesassist.tenants.scrubbing import guard_uncaught, remember\n"
            "guard_uncaught(); remember('very-secret-word')\n"
            "def fail(): raise ValueError('no very-secret' + '-word here')\n"
            f"{'threading.Thread(target=fail).start()' if thread else 'fail()'}\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
        assert f"ValueError: no {MASK} here" in done.stderr
        assert "very-secret-word" not in done.stderr
