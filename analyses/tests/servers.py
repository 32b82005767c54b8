"""Servers for one test: an endpoint that answers as the test says, over real HTTP."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mesassist.tenants.tests.approving import approved


@contextmanager
def server(answer):
    """A server of one handler: `answer(handler, body)`; gives the base URL and the bodies it got."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
            answer(self, seen[-1][1])

        def log_message(self, *args):
            pass

        def send(self, status, body, **headers):
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{running.server_port}/v1"
    try:
        with approved(url):
            yield url, seen
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def sse(*chunks):
    lines = [f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n" for chunk in (*chunks, "[DONE]")]
    return "".join(lines).encode()


def chunk(text="", finish=None, **more):
    return {
        "id": "c1",
        "model": "m-1",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}],
    } | more
