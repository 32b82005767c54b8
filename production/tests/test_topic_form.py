"""Kafka sources: a password never travels to an address that it was not entered for."""

import pytest
from django.forms import modelform_factory

from mesassist.tenants.sealed import open_secret, put_secret
from production.admin.topics import KafkaSourceForm, origin_of
from production.models import KafkaSource

SAID = {
    "name": "line-1",
    "topic": "plant.events",
    "bootstrap_servers": "one.example:9092,two.example:9092",
    "payload": "json",
    "security": "SASL_SSL",
    "sasl_mechanism": "PLAIN",
    "sasl_username": "mes",
    "registry_url": "https://registry.example:8081",
    "registry_username": "reader",
    "enabled": "on",
}

FORM = modelform_factory(KafkaSource, form=KafkaSourceForm, exclude=())


@pytest.fixture
def source(in_alfa):
    """A source with both passwords."""
    names = {name: SAID[name] for name in SAID if name != "enabled"}
    row = KafkaSource(tenant=in_alfa, **names)
    put_secret(row, "sasl_password", "broker-secret")
    put_secret(row, "registry_password", "registry-secret")
    row.save()
    return row


def save(source, **changes):
    """The form as staff would send it; its errors, or both passwords afterwards."""
    form = FORM(SAID | changes, instance=source)
    if not form.is_valid():
        return list(form.errors)
    form.save()
    row = KafkaSource.objects.get(pk=source.pk)
    return [open_secret(row, name, purpose="test") for name in ("sasl_password", "registry_password")]


class TestBrokers:
    def test_other_brokers_need_the_password_again(self, source):
        assert save(source, bootstrap_servers="evil.example:9092") == ["broker_password"]
        assert KafkaSource.objects.get().bootstrap_servers == SAID["bootstrap_servers"]

    def test_one_other_among_them_is_enough(self, source):
        assert save(source, bootstrap_servers="one.example:9092,evil.example:9092") == ["broker_password"]

    def test_with_it_they_are_taken(self, source):
        saved = save(source, bootstrap_servers="new.example:9092", broker_password="new-secret")
        assert saved == ["new-secret", "registry-secret"]

    def test_fewer_or_in_another_order_are_the_same_brokers(self, source):
        assert save(source, bootstrap_servers="two.example:9092") == ["broker-secret", "registry-secret"]

    def test_a_source_that_no_longer_signs_in_forgets_it(self, source):
        assert save(source, security="SSL", bootstrap_servers="evil.example:9092") == ["", "registry-secret"]


class TestRegistry:
    @pytest.mark.parametrize(
        "url", ["https://evil.example:8081", "http://registry.example:8081", "https://registry.example:9999"]
    )
    def test_another_address_forgets_the_password(self, source, url):
        assert save(source, registry_url=url) == ["broker-secret", ""]

    def test_unless_a_new_one_comes_along(self, source):
        saved = save(source, registry_url="https://new.example:8081", registry_secret="new-secret")
        assert saved == ["broker-secret", "new-secret"]

    def test_another_path_of_the_same_server_keeps_it(self, source):
        assert save(source, registry_url="https://registry.example:8081/v2") == ["broker-secret", "registry-secret"]

    def test_scheme_host_and_port_are_what_counts(self):
        assert origin_of("https://r.example:8081/x") == ("https", "r.example", 8081)
        assert origin_of("") == ("", "", None)
