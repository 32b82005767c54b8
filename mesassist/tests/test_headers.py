"""Headers: every route and every kind of error carries them, and no page holds anything that they would stop."""

from html.parser import HTMLParser

import pytest
from django.urls import reverse

from mesassist import pages
from mesassist.tests.test_doors import DOORS

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}
EXACT = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
}


@pytest.fixture(autouse=True)
def behind_tls(settings):
    settings.SECURE_HSTS_SECONDS, settings.DEBUG = 31_536_000, False
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, None


def missing(answer):
    """What an answer should carry and does not."""
    policy = {part.strip() for part in answer.headers.get("Content-Security-Policy", "").split(";")}
    wrong = {name: answer.headers.get(name) for name, value in EXACT.items() if answer.headers.get(name) != value}
    if POLICY - policy:
        wrong["Content-Security-Policy"] = sorted(POLICY - policy)
    if any("unsafe" in part for part in policy):
        wrong["unsafe"] = sorted(policy)
    permissions = answer.headers.get("Permissions-Policy", "")
    if not all(f"{name}=()" in permissions for name in ("camera", "microphone", "geolocation", "usb", "payment")):
        wrong["Permissions-Policy"] = permissions
    return wrong


class Inline(HTMLParser):
    """Finds what a policy without 'unsafe-inline' would stop."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in said and said.get("type") != "application/json"):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name, value in attrs if name == "style" or name.startswith("on")]
        self.found += [
            f"{tag} {name}" for name, value in attrs if (value or "").strip().lower().startswith("javascript:")
        ]


def inline_in(answer):
    if not answer.headers.get("Content-Type", "").startswith("text/html") or answer.streaming:
        return []
    reader = Inline()
    reader.feed(answer.content.decode())
    return reader.found


def wrong_with(answers):
    return {name: found for name, answer in answers.items() if any(found := (missing(answer), inline_in(answer)))}


class TestEveryRoute:
    def test_it_carries_them_for_the_anonymous(self, caller, alfa):
        client = caller(raise_request_exception=False)
        answers = {
            f"{method} {door.path()}": client.generic(method, door.path(), secure=True)
            for door in DOORS
            for method in ("GET", "POST")
        }
        assert len(answers) > 50
        assert wrong_with(answers) == {}

    @pytest.mark.parametrize("person", ["boris", "staff", "carla"])
    def test_it_carries_them_for(self, client_of, request, alfa, person):
        client = client_of(request.getfixturevalue(person))
        answers = {door.path(): client.get(door.path(), secure=True) for door in DOORS}
        assert wrong_with(answers) == {}

    def test_so_does_the_administration(self, client_of, staff, alfa):
        client = client_of(staff)
        answers = {name: client.get(reverse(f"admin:{name}"), secure=True) for name in ("index", "login")}
        assert wrong_with(answers) == {}


class TestEveryError:
    @pytest.fixture
    def client(self, client_of, ana):
        client = client_of(ana)
        client.raise_request_exception = False
        return client

    def check(self, answer, status):
        assert answer.status_code == status
        assert (missing(answer), inline_in(answer)) == ({}, [])

    def test_a_wrong_host_is_refused_with_them(self, client):
        self.check(client.get("/", secure=True, headers={"host": "evil.example"}), 400)

    def test_a_redirect_to_https_has_them_but_no_promise_for_later(self, client):
        answer = client.get("/sign-in/")
        assert (answer.status_code, set(missing(answer))) == (301, {"Strict-Transport-Security"})

    def test_what_is_not_there(self, client):
        self.check(client.get("/nowhere/", secure=True), 404)
        self.check(client.get("/api/v1/nowhere/", secure=True), 404)
        self.check(client.get("/static/nowhere.js", secure=True), 404)

    def test_what_is_closed(self, client, caller):
        self.check(client.get(reverse("analyses:assistant", args=["alfa"]), secure=True), 403)
        self.check(caller(enforce_csrf_checks=True).post(reverse("sign-out"), secure=True), 403)
        self.check(caller().get("/api/v1/machines/", secure=True), 401)

    def test_a_wrong_method(self, client):
        self.check(client.delete("/healthz", secure=True), 405)

    def test_too_much_of_a_form(self, client, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        self.check(client.post(reverse("analyses:ask", args=["alfa"]), {"question": "x" * 2000}, secure=True), 400)

    def test_too_much_json(self, caller, api_key, alfa):
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'configure')}"}
        body = b'{"name": "' + b"x" * 1_100_000 + b'"}'
        answer = caller().generic("POST", "/api/v1/sites/", body, "application/json", secure=True, headers=headers)
        self.check(answer, 413)

    def test_json_that_is_nested_too_deep(self, caller, api_key, alfa):
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'configure')}"}
        body = b"[" * 100_000
        answer = caller().generic("POST", "/api/v1/sites/", body, "application/json", secure=True, headers=headers)
        self.check(answer, 400)

    def test_a_mistake_of_ours(self, client, monkeypatch):
        monkeypatch.setattr(pages, "database_answers", lambda: 1 / 0)
        self.check(client.get("/readyz", secure=True), 500)

    def test_a_file(self, client, settings):
        settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
        answer = client.get("/static/admin/css/base.css", secure=True)
        self.check(answer, 200)
        answer.close()
