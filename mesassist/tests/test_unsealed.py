"""Unsealed: a secret column that holds anything but sealed text is found, and what it holds is not told."""

import pytest
from django.db import connection

from analyses.models import AssistantSettings
from mesassist.tenants.secrets import seal
from mesassist.tenants.unsealed import find_unsealed, sealed_columns
from production.selfchecks import Asked


@pytest.fixture
def asked(now):
    return Asked(now=now)


@pytest.fixture
def assistant(in_alfa):
    sealed = seal("sk-1234", tenant_id=in_alfa.pk, column="assistantsettings.token")
    return AssistantSettings.objects.create(tenant=in_alfa, token=sealed)


def overwrite(text):
    # The field itself refuses what is not sealed; somebody with a database client is not stopped by it.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE analyses_assistantsettings SET token = %s", [text])


class TestFindUnsealed:
    def test_sealed_text_and_nothing_are_well(self, assistant, asked):
        assert list(find_unsealed(asked)) == []
        overwrite("")
        assert list(find_unsealed(asked)) == []

    @pytest.mark.parametrize("text", ["sk-plain-0123456789", "k0:bm90IG91cnM="])
    def test_it_finds_plain_text_and_text_under_a_key_that_is_gone(self, assistant, asked, text):
        overwrite(text)
        assert list(find_unsealed(asked)) == [
            f"analyses.AssistantSettings {assistant.pk}: token does not begin with a key of TOKEN_KEYS"
        ]

    def test_it_knows_the_columns_of_every_room(self):
        labels = {f"{model._meta.label}.{column}" for model, column in sealed_columns()}
        assert {"analyses.AssistantSettings.token", "production.KafkaSource.sasl_password"} <= labels
