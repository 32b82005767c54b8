"""Process: the offline analyst started as a server of its own, for tests and benchmarks, and its request log."""

import http.client
import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 30.0


class AnalystNotStarted(Exception):
    """The server did not answer in time; the message holds what it wrote to its error output."""


@contextmanager
def running_analyst(*, faults: bool = False, token: str = "", delay: float = 0.001) -> Iterator[str]:
    """Start `python -m offline_analyst` on a free loopback port and give its base URL, ending in /v1.

    It answers from the first moment, and it stops with the block, or with this process however that ends. `delay` is
    the seconds between streamed chunks; machines read faster than the people the command's default is for.
    """
    command = [sys.executable, "-m", "offline_analyst", "--port", "0", "--leave-with-parent", "--delay", str(delay)]
    command += ["--faults"] if faults else []
    command += ["--token", token] if token else []
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=errors) as process,  # noqa: S603
    ):
        try:
            yield _wait_until_it_answers(process, errors)
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def read_log(base_url: str) -> list[dict[str, Any]]:
    """The requests a server with faults has seen since the log was cleared, oldest first."""
    return _call_log(base_url, "GET")


def clear_log(base_url: str) -> None:
    """Forget the requests seen, and with them which prompts were already refused once or twice."""
    _call_log(base_url, "DELETE")


def _call_log(base_url: str, method: str) -> list[dict[str, Any]]:
    status, body = _request(base_url, method, "/faults/log")
    if status != 200:
        raise LookupError("This offline analyst was started without --faults and keeps no log.")
    entries: list[dict[str, Any]] = json.loads(body)
    return entries


def _wait_until_it_answers(process: subprocess.Popen[bytes], errors: BinaryIO) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline().decode() if ready else ""
    if "http://" in line:
        base_url = line[line.index("http://") :].strip()
        while process.poll() is None and time.monotonic() < deadline:
            try:
                _request(base_url, "GET", "/v1/models")
            except (OSError, http.client.HTTPException):
                continue
            return base_url
    errors.seek(0)
    raise AnalystNotStarted(f"The offline analyst did not start. {errors.read().decode(errors='replace')}")


def _request(base_url: str, method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=START_TIMEOUT_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
