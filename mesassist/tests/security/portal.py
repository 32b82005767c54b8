"""Portal: one server process with two database connections and two plants behind it, for tests that knock over HTTP."""

import http.client
import os
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from mesassist.servers.ports import HOST, choose_port

ROOT = Path(__file__).resolve().parents[3]
BEGIN_S = 60


def database_url():
    """The test's own database, as the app role."""
    known = connection.settings_dict
    where = f"{known['HOST']}:{known['PORT']}/{known['NAME']}"
    return f"postgresql://{known['USER']}:{quote(known['PASSWORD'])}@{where}"


@contextmanager
def running_portal(*, connections):
    """`host:port` of a portal on this test's database; its log is told when it does not begin."""
    port = choose_port()
    environ = os.environ | {"DATABASE_URL": database_url(), "DATABASE_POOL_SIZE": str(connections)}
    environ |= {"KEY_REQUESTS_PER_MINUTE": "0", "TENANT_REQUESTS_PER_MINUTE": "0"}
    command = [sys.executable, "-m", "uvicorn", "mesassist.asgi:application", "--host", HOST, "--port", str(port)]
    command += ["--no-access-log", "--log-level", "critical"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=Path.cwd(), env=environ, **quiet) as process:
        try:
            wait_for(port)
            yield f"{HOST}:{port}"
        finally:
            process.terminate()


def wait_for(port):
    """Until it answers."""
    deadline = time.monotonic() + BEGIN_S
    while time.monotonic() < deadline:
        with suppress(OSError), closing(http.client.HTTPConnection(HOST, port, timeout=5)) as line:
            line.request("GET", "/healthz")
            with line.getresponse() as answer:
                if answer.status == 200:
                    return
        time.sleep(0.1)
    raise RuntimeError("The portal does not answer.")
