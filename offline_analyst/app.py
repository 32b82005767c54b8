"""App: the ASGI door of the offline analyst: routes, the key, and the log of what was asked."""

import datetime as dt
import hashlib
import hmac
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from offline_analyst.asking import ApiError, read_call, unknown_model
from offline_analyst.faults import FAULTS, MODELS, Exchange, Play, answer_honestly
from offline_analyst.journal import Journal
from offline_analyst.wire import ClientLeft, Message, Receive, Reply, Send

MOST_BODY_BYTES = 16 * 1024 * 1024
MOST_LOGGED = 10_000
# When the rules of the answers last changed; clients only need some stamp.
CREATED = int(dt.datetime(2026, 11, 21, tzinfo=dt.UTC).timestamp())
ELSEWHERE = "/elsewhere"


@dataclass
class OfflineAnalyst:
    """The ASGI application. `token` empty: no key is asked for. `elsewhere_port`: where fault-redirect leads.

    `journal` keeps every call in a file, for tests that kill whoever calls, or this server.
    """

    faults: bool = False
    token: str = ""
    delay: float = 0.015
    elsewhere_port: int = 0
    journal: Journal = field(default_factory=lambda: Journal(None))
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_LOGGED))
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            body = await _read_body(receive)
            async with Reply(receive=receive, send=send) as reply:
                await self._answer(scope, body, reply)
        except ClientLeft:
            return

    @property
    def models(self) -> dict[str, Play]:
        """Every model name on offer and what answers to it."""
        return MODELS | FAULTS if self.faults else MODELS

    async def _answer(self, scope: Message, body: bytes, reply: Reply) -> None:
        try:
            if self.faults and scope["path"] == "/faults/log":
                await self._show_log(scope["method"], reply)
                return
            self._note(scope, body)
            self._check_key(_key_of(scope))
            await self._route(scope, body, reply)
        except ApiError as error:
            await reply.send_error(error)

    async def _route(self, scope: Message, body: bytes, reply: Reply) -> None:
        asked = (scope["method"], scope["path"])
        completions = "/v1/chat/completions"
        if asked == ("GET", "/v1/models"):
            await reply.send_json({"object": "list", "data": [_describe(name) for name in self.models]})
        elif scope["method"] == "GET" and scope["path"].startswith("/v1/models/"):
            name = scope["path"].removeprefix("/v1/models/")
            if name not in self.models:
                raise unknown_model(name)
            await reply.send_json(_describe(name))
        elif asked == ("POST", completions) or (self.faults and asked == ("POST", ELSEWHERE + completions)):
            await self._complete(scope, body, reply)
        elif scope["path"] in ("/v1/models", completions):
            raise ApiError(405, f"Not allowed to {scope['method']} on {scope['path']}")
        else:
            raise ApiError(404, f"Invalid URL ({scope['method']} {scope['path']})")

    async def _complete(self, scope: Message, body: bytes, reply: Reply) -> None:
        if len(body) > MOST_BODY_BYTES:
            raise ApiError(413, f"The request body is larger than {MOST_BODY_BYTES} bytes.")
        call = read_call(body)
        if call.model not in self.models:
            raise unknown_model(call.model)
        self.asked[call.fingerprint] += 1
        exchange = Exchange(
            call=call,
            reply=reply,
            nth=self.asked[call.fingerprint],
            delay=self.delay,
            key=_key_of(scope),
            elsewhere=f"http://127.0.0.1:{self.elsewhere_port}{ELSEWHERE}/v1/chat/completions",
        )
        # Who was redirected has arrived: the answer there shows that the prompt was carried along.
        followed = scope["path"].startswith(ELSEWHERE)
        play = answer_honestly if followed else self.models[call.model]
        digest = hashlib.sha256(body).hexdigest()
        with self.journal.call(model=call.model, body_sha256=digest, port=scope["client"][1]):
            await play(exchange)

    async def _show_log(self, method: str, reply: Reply) -> None:
        if method == "DELETE":
            self.log.clear()
            self.asked.clear()
        await reply.send_json(list(self.log))

    def _note(self, scope: Message, body: bytes) -> None:
        if not self.faults:
            return
        self.log.append(
            {
                "method": scope["method"],
                "path": scope["path"],
                "port": scope["server"][1],
                "model": _model_in(body),
                "authorization_present": any(name == b"authorization" for name, _ in scope["headers"]),
                "body_sha256": hashlib.sha256(body).hexdigest(),
                "body_bytes": len(body),
                "at": dt.datetime.now(dt.UTC).isoformat(),
            }
        )

    def _check_key(self, key: str) -> None:
        if self.token and not hmac.compare_digest(key.encode(), self.token.encode()):
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")


async def _read_body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _key_of(scope: Message) -> str:
    found: bytes = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    return found.decode("latin-1").removeprefix("Bearer ").strip()


def _model_in(body: bytes) -> str | None:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return str(asked["model"]) if isinstance(asked, dict) and "model" in asked else None


def _describe(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "offline-analyst"}
