"""Doorbell: a worker does not start on a Redis that may throw its messages away; what the broker is told."""

import pickle

import pytest
import redis
from django.conf import settings
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads, prepare_accept_content

from mesassist.celery import VISIBLE_AGAIN_S, app
from mesassist.doorbell import stop_if_it_forgets
from mesassist.embedded import make_home
from mesassist.servers.ports import choose_port
from mesassist.servers.valkey import Valkey

ACCEPTED = prepare_accept_content(app.conf.accept_content)


@pytest.fixture
def valkey(tmp_path):
    """A server of this test's own: its policy is changed."""
    make_home(tmp_path)
    server = Valkey(tmp_path, durable=False)
    server.ensure_running()
    yield server
    server.stop()


class TestPolicy:
    def test_one_that_evicts_any_key_is_refused_with_what_to_do(self, valkey, capsys):
        stop_if_it_forgets(valkey.url())
        with redis.Redis.from_url(valkey.url()) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(SystemExit):
            stop_if_it_forgets(valkey.url())
        assert "Set it to noeviction" in capsys.readouterr().err

    def test_one_that_does_not_answer_yet_is_waited_for(self):
        stop_if_it_forgets(f"redis://127.0.0.1:{choose_port()}/0")


class TestSettings:
    def test_they_are_those_of_the_recipe(self):
        expected = {
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            "task_acks_on_failure": True,
            "task_acks_on_timeout": True,
            "task_ignore_result": True,
            "task_publish_retry": False,
            "task_serializer": "json",
            "accept_content": ["json"],
            "worker_prefetch_multiplier": 1,
            "worker_cancel_long_running_tasks_on_connection_loss": False,
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            "result_backend": None,
        }
        assert {name: getattr(app.conf, name) for name in expected} == expected

    def test_a_message_stays_invisible_longer_than_any_task_may_take(self):
        assert app.conf.broker_transport_options["visibility_timeout"] == VISIBLE_AGAIN_S
        assert app.conf.task_time_limit < VISIBLE_AGAIN_S
        assert settings.MODEL_DEADLINE_S + 60 < VISIBLE_AGAIN_S

    def test_a_pickled_message_is_refused_unread(self):
        with pytest.raises(ContentDisallowed):
            loads(pickle.dumps({}), "application/x-python-serialize", "binary", accept=ACCEPTED)
        assert loads(b"{}", "application/json", "utf-8", accept=ACCEPTED) == {}

    def test_the_broker_cannot_hold_anybody_up(self):
        options = app.conf.broker_transport_options
        assert 0 < options["socket_connect_timeout"] <= 3
        assert 0 < options["socket_timeout"] <= 30
        assert options["unacked_restore_interval"] * options["unacked_restore_throttle"] <= 10
