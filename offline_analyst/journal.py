"""Journal: a file that keeps each call's beginning and end, line by line, and survives the server being killed."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Journal:
    """Appends one JSON object per line; `None` writes nothing.

    A call begins with its number, the model, the SHA-256 of its body and the port it came from, and ends as `answered`
    or `cut`. A call without an end was under way when the server was killed; the next start writes `started`.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._calls = 0
        self._write(what="started")

    @contextmanager
    def call(self, *, model: str, body_sha256: str, port: int) -> Iterator[None]:
        """Note the beginning, and how it ended."""
        self._calls += 1
        number = self._calls
        self._write(what="begun", call=number, model=model, body_sha256=body_sha256, port=port)
        ended = "cut"
        try:
            yield
            ended = "answered"
        finally:
            self._write(what=ended, call=number)

    def _write(self, **line: Any) -> None:
        if self._file is None:
            return
        # One write per line: a kill leaves whole lines behind.
        os.write(self._file, json.dumps({"at": time.time(), "pid": os.getpid(), **line}).encode() + b"\n")
