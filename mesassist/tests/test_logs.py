"""Logs: one line per fact that nobody can forge, and no secret in it, whoever logged it and however."""

import io
import json
import logging
import logging.config

import pytest
import structlog

from mesassist.logs import Sink, logging_config
from mesassist.tenants.scrubbing import MASK, remember

TOKEN = "tok-0123456789-very-secret"
FORGED = 'belt 2\r\n2026-03-02T06:15:00Z CRITICAL owned\x1b[2J\u202e{"event": "owned"}'


@pytest.fixture(params=[False, True], ids=["json", "console"])
def sink(request):
    """What a process would print: every logger through our own handler into a text."""
    config = logging_config(debug=request.param)
    text = io.StringIO()
    handler = Sink(text)
    formatter = config["formatters"]["lines"]
    handler.setFormatter(formatter.pop("()")(**formatter))
    handler.addFilter(config["filters"]["access"]["()"]())
    text.is_json, text.handler = not request.param, handler
    root = logging.getLogger()
    root.addHandler(handler)
    yield text
    root.removeHandler(handler)


def lines_of(sink):
    return sink.getvalue().splitlines()


class TestSecrets:
    def say_all(self):
        """The token, in every way in which something comes into a log."""
        log, plain = structlog.get_logger("ours"), logging.getLogger("library")
        log.warning("said", detail=f"token {TOKEN}", headers={"authorization": TOKEN}, error=ValueError(TOKEN))
        plain.warning("library says %s and %r", TOKEN, {"key": [TOKEN]})
        for logger in (log, plain):
            try:
                try:
                    raise ConnectionError(f"401 for {TOKEN}")
                except ConnectionError as inner:
                    raise RuntimeError(f"wrapped {TOKEN}") from inner
            except RuntimeError:
                logger.exception("failed")

    def test_a_known_one_is_in_no_message_argument_exception_or_traceback(self, sink):
        remember(TOKEN)
        self.say_all()
        assert TOKEN not in sink.getvalue()
        assert sink.getvalue().count(MASK) >= 8

    def test_without_the_scrubbing_they_would_be_there(self, sink, monkeypatch):
        monkeypatch.setattr("mesassist.logs.scrub", lambda text: text)  # the sink must be able to show them
        self.say_all()
        assert sink.getvalue().count(TOKEN) >= 8


class TestLost:
    def test_a_line_that_cannot_be_rendered_leaves_no_parts_behind(self, sink, capsys):
        class Broken:
            def __str__(self):
                raise RuntimeError(TOKEN)

        sink.handler.handle(logging.LogRecord("library", logging.WARNING, "x.py", 1, "%s %s", (TOKEN, Broken()), None))
        assert capsys.readouterr().err == "a line of library could not be logged: RuntimeError\n"


class TestForging:
    def test_what_people_typed_stays_on_one_line(self, sink):
        structlog.get_logger("ours").warning("noted", comment=FORGED)
        logging.getLogger("library").warning("comment %s", FORGED)
        assert len(lines_of(sink)) == 2
        assert not any(sign in sink.getvalue() for sign in "\r\x1b\u202e")

    def test_no_line_of_a_traceback_looks_like_an_entry(self, sink):
        try:
            raise ValueError(FORGED)
        except ValueError:
            structlog.get_logger("ours").exception("failed")
        assert not any(line.startswith("2026-03-02") for line in lines_of(sink))
        if sink.is_json:
            assert [json.loads(line)["event"] for line in lines_of(sink)] == ["failed"]


class TestAccess:
    def test_an_access_line_has_no_query(self, sink):
        args = ("127.0.0.1:5", "GET", "/api/v1/machines/?key=mes_secret&search=belt", "1.1", 401)
        logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *args)
        said = sink.getvalue()
        assert "GET /api/v1/machines/ HTTP/1.1" in said
        assert "belt" not in said
        assert "mes_secret" not in said

    def test_uvicorn_and_django_have_no_handlers_that_we_have_not_looked_at(self):
        config = logging_config(debug=True)
        for name in ("django", "django.server", "uvicorn", "uvicorn.access", "uvicorn.error"):
            assert config["loggers"][name] == {"handlers": [], "propagate": True}
