"""Error reports: even Django's own page with all variables shows no secret."""

import sys

import pytest
from django.test import RequestFactory
from django.views.debug import technical_500_response

from mesassist.tenants.scrubbing import MASK, remember

TOKEN = "tok-0123456789-very-secret"
POSTED = "another-" + "secret-word"


@pytest.fixture(params=["text/html", "text/plain"])
def page(request, settings):
    """The page of an error in the middle of work with a secret."""
    settings.DEBUG = True
    remember(TOKEN)
    asked = RequestFactory().post("/x", {"token": POSTED, "name": "seen"}, headers={"accept": request.param})

    def fail(token):
        headers = {"authorization": f"Bearer {token}"}
        raise ValueError(f"refused {token}, {headers['authorization'][:4]}")

    try:
        fail(TOKEN)
    except ValueError:
        return technical_500_response(asked, *sys.exc_info()).content.decode()


class TestPage:
    def test_a_known_secret_is_in_no_variable_and_no_message(self, page):
        assert "ValueError" in page
        assert TOKEN not in page
        assert MASK in page

    def test_what_was_posted_as_a_token_is_hidden_although_debug_is_on(self, page):
        assert POSTED not in page
