"""Nothing secret: a token, its other forms and what was asked are in no message, no value of Redis, no log, no error.

A real worker runs every kind of task while everything that is said to Redis is written down.
"""

import datetime as dt
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from analyses import runs
from analyses.credentials import put_token
from analyses.models import Analysis, AssistantSettings, Attempt
from analyses.runs import request_analysis
from mesassist.celery import app
from mesassist.tenants.scrubbing import forms_of
from production.summaries import main_summary

ROOT = Path(__file__).resolve().parents[3]
QUESTION = "Why does the quokka press stand still?"
pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

# Where the model answers well, refuses the token with part of it in its words, breaks, and is cut off.
MODELS = ("offline-analyst", "fault-401", "fault-500", "fault-garbage")


@contextmanager
def worker(log):
    """One of both queues, as deployed but in threads."""
    known = connection.settings_dict
    where = f"{known['HOST']}:{known['PORT']}/{known['NAME']}"
    url = f"postgresql://{known['USER']}:{quote(known['PASSWORD'])}@{where}"
    command = "-m celery -A mesassist worker -Q model,compute -P threads -c 2 --loglevel DEBUG --without-mingle"
    environment = os.environ | {"DATABASE_URL": url, "ANALYSIS_MAX_ATTEMPTS": "1"}
    with open(log, "wb") as sink:
        process = subprocess.Popen(
            [sys.executable, *command.split()], cwd=ROOT, env=environment, stdout=sink, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def eavesdropping():
    """Every command that our database of Redis is sent, as it is written on the wire."""
    where = urlsplit(settings.REDIS_URL)
    heard, mark = [], f"[{where.path.strip('/') or 0} "
    with socket.create_connection((where.hostname, where.port)) as plug:
        if where.password:
            plug.sendall(f"AUTH {where.username or 'default'} {where.password}\r\n".encode())
        plug.sendall(b"MONITOR\r\n")

        def listen():
            ours = (line for line in plug.makefile("rb") if mark.encode() in line[:40])
            heard.extend(line.decode(errors="replace") for line in ours)

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        yield heard
        plug.shutdown(socket.SHUT_RDWR)
        listener.join(timeout=10)


def ring_everything(tenant):
    """Each of our tasks once, with the ids that it takes."""
    app.loader.import_default_modules()
    names = sorted(name for name in app.tasks if not name.startswith("celery.") and ".tests." not in name)
    for name in names:
        task = app.tasks[name]
        takes_tenant = hasattr(task, "run") and "tenant_id" in task.run.__annotations__
        more = {"analysis_id": str(Analysis.objects.first().pk)} if name.endswith("run_analysis") else {}
        more |= {"run_id": 0} if name.endswith("import_upload") else {}
        task.apply_async(kwargs=({"tenant_id": tenant.pk} if takes_tenant else {}) | more)
    return names


def dump(client):
    """Everything that is in Redis now."""
    texts = []
    for name in client.scan_iter("*"):
        kind = client.type(name).decode()
        read = {
            "string": client.get,
            "list": lambda key: client.lrange(key, 0, -1),
            "hash": client.hgetall,
            "set": client.smembers,
            "zset": lambda key: client.zrange(key, 0, -1),
        }[kind]
        texts.append(f"{name!r} {read(name)!r}")
    return texts


class TestEveryTask:
    def test_nothing_secret_is_said_kept_or_logged(self, morning, in_alfa, ana, analyst, now, tmp_path):
        token = f"sk-alfa-{secrets.token_urlsafe(24)}"
        assistant = AssistantSettings(tenant=in_alfa, base_url=analyst, model=MODELS[0])
        put_token(assistant=assistant, token=token)
        assistant.save()
        log = tmp_path / "worker.log"
        with redis.Redis.from_url(settings.REDIS_URL) as client, eavesdropping() as heard:
            client.delete("model", "compute")
            with worker(log):
                for model in MODELS:
                    AssistantSettings.objects.update(model=model)
                    wish = {"summary": main_summary(), "question": QUESTION, "asked_by": ana, "trigger": "button"}
                    request_analysis(tenant=in_alfa, now=now, **wish)
                    Analysis.objects.update(expires_at=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
                    wait_for_all()
                rung = ring_everything(in_alfa)
                wait_until_empty(client)
            kept = dump(client)
        assert {row.status for row in Analysis.objects.all()} == {"done", "failed"}
        written = log.read_text(errors="replace")
        rows = [f"{row.error_message} {row.error_next_step}" for row in Analysis.objects.all()]
        rows += list(Attempt.objects.values_list("outcome", flat=True))
        places = {"said to Redis": heard, "kept in Redis": kept, "logged": written.splitlines(), "error columns": rows}
        # The messages' bodies travel in base64.
        words = [*forms_of(token), *forms_of(token[:12]), *forms_of(QUESTION), *forms_of("quokka")]
        hits = [(place, word) for place, texts in places.items() for text in texts for word in words if word in text]
        figures = ", ".join(f"{len(texts)} {place}" for place, texts in places.items())
        print(f"{len(rung)} tasks rung; {figures}; {len(words)} forms of secrets searched; hits: {len(hits)}")  # noqa: T201 - the figures that were asked for
        assert hits == []
        # Ears and log were open, and base64 is understood: each task's name was said and noted, and ids were heard.
        assert any(form in text for text in heard for form in forms_of("analysis_id"))
        for name in rung:
            assert any(name in text for text in heard), f"{name} was not heard"
            assert name in written, f"{name} was not run"


def wait_for_all(within_s=60):
    """Poll until nothing is open, playing the beat."""
    until = time.monotonic() + within_s
    while Analysis.objects.filter(status__in=["queued", "running"]).exists():
        runs.ring(now=timezone.now())
        if time.monotonic() > until:
            raise AssertionError(list(Analysis.objects.values_list("status", "error_code")))
        time.sleep(0.1)


def wait_until_empty(client, within_s=60):
    """Poll until the worker has taken every message and is done with it."""
    until = time.monotonic() + within_s
    while client.llen("model") or client.llen("compute") or client.hlen("unacked"):
        if time.monotonic() > until:
            raise AssertionError("messages are left")
        time.sleep(0.1)
