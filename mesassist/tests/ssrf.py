"""SSRF: a world in which every dial ends at our own listener, and names resolve as their owner says."""

import json
import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from analyses.gateway import GatewayError, list_models, stream_answer
from mesassist.people.oidc_wire import GuardedSession, IssuerAway
from mesassist.tenants.egress.calls import CallFailed, call_out
from mesassist.tenants.egress.early import judge_url
from mesassist.tenants.egress.routes import Blocked
from mesassist.tenants.models import Purpose
from mesassist.tests.hostile import NAMES
from production.ingest.registry import Registry, RegistryAway
from production.models import KafkaSource

TOKEN = "sk-never-to-be-seen-elsewhere"
PUBLIC = "93.184.215.14"
ANSWER = json.dumps({"data": [{"id": "m-1"}]}).encode()


class Listener:
    """A server that counts who connects, and keeps what they send; it answers every request with one model."""

    def __init__(self):
        self.connects, self.seen = 0, []

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler):  # noqa: N805 - what http.server calls
                self.seen.append(dict(handler.headers))
                handler.rfile.read(int(handler.headers.get("content-length") or 0))
                handler.send_response(200)
                handler.send_header("content-type", "application/json")
                handler.send_header("content-length", str(len(ANSWER)))
                handler.end_headers()
                handler.wfile.write(ANSWER)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *words):
                pass

        class Counting(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(inner):  # noqa: N805
                self.connects += 1
                return super().get_request()

            def handle_error(inner, *request):  # noqa: N805 - a handshake is no request
                pass

        self.server = Counting(("127.0.0.1", 0), Answering)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class World:
    """What was dialled, and what each name says next."""

    def __init__(self, listener):
        self.listener, self.dialled, self.names = listener, [], {}
        self.dial, self.resolve = socket.create_connection, socket.getaddrinfo

    def create_connection(self, address, timeout=None, source_address=None, **more):
        self.dialled.append(address)
        return self.dial(("127.0.0.1", self.listener.port), timeout)

    def getaddrinfo(self, host, port, *words, **more):
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.names:
            return self.resolve(host, port, *words, **more)
        answers = self.names[name]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in found]


@contextmanager
def world(monkeypatch):
    """Mocks at the wire, and there alone: what our code would do outside must not depend on an outside."""
    listener = Listener()
    here = World(listener)
    monkeypatch.setattr(socket, "create_connection", here.create_connection)
    monkeypatch.setattr(socket, "getaddrinfo", here.getaddrinfo)
    try:
        yield here
    finally:
        monkeypatch.undo()
        listener.close()


# --- the clients that go to addresses of others ---------------------------------------------------------


def ask_models(tenant, url):
    try:
        list_models(endpoint=url, token=TOKEN)
    except GatewayError as error:
        return error.code


def ask_model(tenant, url):
    request = {"model": "m-1", "messages": [], "stream": True}
    try:
        list(stream_answer(endpoint=url, token=TOKEN, request=request, deadline_s=3, prompt_tokens_estimated=1))
    except GatewayError as error:
        return error.code


def ask_registry(tenant, url):
    source = KafkaSource(tenant=tenant, name="s", topic="t", bootstrap_servers="b:1", registry_url=url)
    registry = Registry(source)
    try:
        registry.ask("/subjects")
    except RegistryAway as error:
        return "blocked_destination" if "may not call" in str(error) or "never calls" in str(error) else str(error)
    finally:
        registry.close()


def ask_webhook(tenant, url):
    try:
        call_out("POST", url, purpose=Purpose.WEBHOOK, headers={"authorization": TOKEN}, body=b"{}", deadline_s=3)
    except CallFailed as error:
        return str(error)


def ask_issuer(tenant, url):
    try:
        GuardedSession().get(url, headers={"authorization": TOKEN})
    except IssuerAway as error:
        return str(error)


CLIENTS = {
    "models": ask_models,
    "model": ask_model,
    "registry": ask_registry,
    "webhook": ask_webhook,
    "identity": ask_issuer,
}


def try_everywhere(here, tenant, urls):
    """Every client at every address, after the early look that a person's form takes; names begin anew each time."""
    for url in urls:
        for client in CLIENTS.values():
            here.names = {name: [list(one) for one in answers] for name, answers in NAMES.items()}
            with suppress(Blocked):
                judge_url(url=url, purpose=Purpose.MODEL)
            client(tenant, url)
