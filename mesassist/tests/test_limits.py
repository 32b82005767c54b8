"""The limits of the way out: whatever a server does, the caller is back in time and has read no more than it may."""

import gzip
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from analyses import wire
from analyses.gateway import GatewayError, list_models, stream_answer
from mesassist.tenants.egress.calls import CallFailed, call_out
from mesassist.tenants.models import Purpose
from mesassist.tenants.tests.approving import approved
from mesassist.tests.ssrf import TOKEN, Listener
from production.ingest import registry
from production.ingest.registry import Registry, RegistryAway
from production.models import KafkaSource

DEADLINE_S = 1.0
# Long enough to tell a cut from a server that gave up.
SERVER_S = 15.0
CAP = 2 * 1024 * 1024
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


class Hostile:
    """A server that reads a request and then does as `behave(connection, is_over)` says."""

    def __init__(self, behave, *, reads=True):
        self.behave, self.reads, self.sent = behave, reads, 0
        self.over = threading.Event()
        self.plug = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.plug.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.plug.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError), connection:
            if self.reads:
                connection.recv(65_536)
            self.behave(self, connection)

    def send(self, connection, data):
        connection.sendall(data)
        self.sent += len(data)

    def repeat(self, connection, data, every_s):
        until = time.monotonic() + SERVER_S
        while time.monotonic() < until and not self.over.wait(every_s):
            self.send(connection, data)

    def close(self):
        self.over.set()
        self.plug.close()


def send_comments_for_ever(server, connection):
    server.send(connection, HEAD + b"\r\n")
    server.repeat(connection, b": keep-alive\n\n", 0.05)


def send_headers_for_ever(server, connection):
    server.send(connection, HEAD)
    server.repeat(connection, b"x-more: 1\r\n", 0.05)


def send_a_byte_now_and_then(server, connection):
    server.repeat(connection, b"H", 0.2)


def say_nothing(server, connection):
    server.over.wait(SERVER_S)


def send_without_end(server, connection):
    server.send(connection, HEAD + b"\r\n")
    server.repeat(connection, b"data: " + b"x" * 65_536, 0)


def promise_a_huge_chunk(server, connection):
    server.send(connection, HEAD + b"transfer-encoding: chunked\r\n\r\nFFFFFFFF\r\n")
    server.repeat(connection, b"x", 0.05)


def send_a_bomb(server, connection):
    bomb = gzip.compress(b"0" * 50_000_000)
    server.send(connection, HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb)


def send_a_bomb_with_an_error(server, connection):
    bomb = gzip.compress(b"0" * 50_000_000)
    head = b"HTTP/1.1 500 Sorry\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    server.send(connection, head + bomb)


BEHAVIOURS = [
    send_comments_for_ever,
    send_headers_for_ever,
    send_a_byte_now_and_then,
    say_nothing,
    send_without_end,
    promise_a_huge_chunk,
    send_a_bomb,
    send_a_bomb_with_an_error,
]


@pytest.fixture
def hostile():
    """A server that behaves so, and counts as approved."""

    @contextmanager
    def start(behave, **more):
        server = Hostile(behave, **more)
        try:
            with approved(server.url):
                yield server
        finally:
            server.close()

    return start


@pytest.fixture(autouse=True)
def short(settings, monkeypatch):
    settings.MODEL_IDLE_TIMEOUT_S, settings.MODEL_ANSWER_MAX_BYTES = 30.0, CAP
    monkeypatch.setattr(registry, "DEADLINE_S", DEADLINE_S)
    monkeypatch.setattr("analyses.gateway.TRIAL_DEADLINE_S", DEADLINE_S)
    yield
    wire.close_lines()


def ask_model(url, content="x"):
    request = {"model": "m-1", "messages": [{"role": "user", "content": content}], "stream": True}
    list(stream_answer(endpoint=url, token=TOKEN, request=request, deadline_s=DEADLINE_S, prompt_tokens_estimated=1))


def ask_models(url, content=""):
    list_models(endpoint=url, token=TOKEN)


def ask_registry(url, content=""):
    asked = Registry(KafkaSource(name="s", topic="t", registry_url=url, registry_username="u"))
    try:
        asked.ask("/subjects")
    finally:
        asked.close()


def ask_outside(url, content="x"):
    headers = {"authorization": TOKEN, "accept-encoding": "gzip"}
    call_out(
        "POST",
        url,
        purpose=Purpose.WEBHOOK,
        headers=headers,
        body=content.encode(),
        deadline_s=DEADLINE_S,
        max_bytes=CAP,
    )


CLIENTS = [ask_model, ask_models, ask_registry, ask_outside]


class TestHostileServers:
    @pytest.mark.parametrize("ask", CLIENTS)
    @pytest.mark.parametrize("behave", BEHAVIOURS)
    def test_the_caller_is_back_in_time_and_has_read_no_more_than_it_may(self, hostile, ask, behave):
        began = time.monotonic()
        with hostile(behave) as server:
            with pytest.raises((GatewayError, RegistryAway, CallFailed)):
                ask(server.url)
            assert time.monotonic() - began < DEADLINE_S + 3
            # Some of it lies in the buffers between us.
            assert server.sent < CAP + 8 * 1024 * 1024

    @pytest.mark.parametrize("ask", [ask_model, ask_outside])
    def test_one_that_takes_no_request_holds_nobody(self, hostile, ask):
        began = time.monotonic()
        with hostile(say_nothing, reads=False) as server, pytest.raises((GatewayError, CallFailed)):
            ask(server.url, "x" * 32_000_000)
        assert time.monotonic() - began < DEADLINE_S + 3

    def test_one_that_takes_a_little_at_a_time_is_no_better(self, hostile):
        def take_a_little(server, connection):
            until = time.monotonic() + SERVER_S
            while time.monotonic() < until and not server.over.wait(0.2):
                connection.recv(65_536)

        began = time.monotonic()
        with hostile(take_a_little, reads=False) as server, pytest.raises(CallFailed):
            ask_outside(server.url, "x" * 64_000_000)
        assert time.monotonic() - began < DEADLINE_S + 3


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("ask", CLIENTS)
    def test_none_is_followed_even_to_an_approved_place(self, hostile, ask, status):
        elsewhere = Listener()
        address = f"http://127.0.0.1:{elsewhere.port}/v1"

        def redirect(server, connection):
            head = f"HTTP/1.1 {status} Go\r\nlocation: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            server.send(connection, head.encode())

        with hostile(redirect) as server, approved(address), suppress(GatewayError, RegistryAway):
            ask(server.url)
        elsewhere.close()
        assert (elsewhere.connects, elsewhere.seen) == (0, [])
