"""Secrets: sealed per tenant and column, opened only with the key that sealed them."""

import base64

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from mesassist.tenants.secrets import SealedField, SecretUnreadable, read_key_ring, reveal, seal

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@pytest.fixture
def ring(settings):
    settings.TOKEN_KEYS = f"new:{NEW},old:{OLD}"


def open_sealed(sealed, tenant_id=1, column="assistant.token"):
    return reveal(sealed, tenant_id=tenant_id, column=column, purpose="test")


class TestSeal:
    @given(plain=st.text())
    def test_what_was_sealed_opens(self, plain):
        assert open_sealed(seal(plain, tenant_id=1, column="assistant.token")) == plain

    def test_it_uses_the_newest_key_and_never_the_same_text_twice(self, ring):
        texts = {seal("sk-1", tenant_id=1, column="assistant.token") for _ in range(2)}
        assert len(texts) == 2
        assert {text.split(":")[0] for text in texts} == {"new"}

    def test_it_holds_no_plain_text(self, ring):
        sealed = seal("sk-very-secret", tenant_id=1, column="assistant.token")
        assert b"sk-very-secret" not in base64.b64decode(sealed.split(":")[1])
        assert "sk-very-secret" not in sealed


class TestReveal:
    def test_it_opens_what_an_older_key_sealed(self, settings):
        settings.TOKEN_KEYS = f"old:{OLD}"
        sealed = seal("sk-1", tenant_id=1, column="assistant.token")
        settings.TOKEN_KEYS = f"new:{NEW},old:{OLD}"
        assert open_sealed(sealed) == "sk-1"

    def test_it_refuses_when_the_key_is_gone(self, settings):
        settings.TOKEN_KEYS = f"old:{OLD}"
        sealed = seal("sk-1", tenant_id=1, column="assistant.token")
        settings.TOKEN_KEYS = f"new:{NEW}"
        with pytest.raises(SecretUnreadable, match="'old' is not in TOKEN_KEYS"):
            open_sealed(sealed)

    def test_it_refuses_when_the_key_is_another_of_the_same_name(self, settings):
        settings.TOKEN_KEYS = f"k:{OLD}"
        sealed = seal("sk-1", tenant_id=1, column="assistant.token")
        settings.TOKEN_KEYS = f"k:{NEW}"
        with pytest.raises(SecretUnreadable):
            open_sealed(sealed)

    @pytest.mark.parametrize(("tenant_id", "column"), [(2, "assistant.token"), (1, "webhook.secret")])
    def test_it_refuses_a_ciphertext_moved_elsewhere(self, ring, tenant_id, column):
        sealed = seal("sk-1", tenant_id=1, column="assistant.token")
        with pytest.raises(SecretUnreadable):
            open_sealed(sealed, tenant_id=tenant_id, column=column)


class TestKeyRing:
    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "holds no key"),
            ("k1:!!!", "not base64"),
            ("k1:c2hvcnQ=", "32 bytes, it has 5"),
            (f":{OLD}", "needs an id"),
        ],
    )
    def test_it_says_which_entry_is_wrong(self, text, complaint):
        with pytest.raises(ImproperlyConfigured, match=complaint):
            read_key_ring(text)


class TestSealedField:
    def test_it_takes_sealed_text(self, ring):
        sealed = seal("sk-1", tenant_id=1, column="assistant.token")
        assert SealedField().get_prep_value(sealed) == sealed

    @pytest.mark.parametrize("plain", ["sk-very-secret", "http://x:1"])
    def test_it_refuses_plain_text(self, ring, plain):
        with pytest.raises(ValueError, match="use seal"):
            SealedField().get_prep_value(plain)
