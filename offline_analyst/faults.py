"""Faults: every way in which the real service fails, played on demand; the model's name chooses which."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from offline_analyst.answers import write_answer
from offline_analyst.asking import ApiError, Call, unknown_model
from offline_analyst.distortions import change_numbers, obey
from offline_analyst.reading import read_prompt
from offline_analyst.wire import (
    JSON_TYPE,
    SSE_TYPE,
    Answer,
    Envelope,
    Reply,
    body_of,
    deliver,
    events_of,
    make_answer,
    report_usage,
    to_event,
    to_json,
)

SLOW_ANSWER_S = 7.0
DRIP_EVERY_S = 0.2
HUGE_BYTES = 24 * 1024 * 1024
HUGE_PIECE = "The line stood still and nobody knew why. " * 1500
REFUSAL = "I'm sorry, but I can't help with that request."


@dataclass(frozen=True)
class Exchange:
    """One call and the means to answer it. `nth` counts the requests with this very model and prompt, from 1."""

    call: Call
    reply: Reply
    nth: int
    delay: float
    key: str
    elsewhere: str

    def honest(self) -> Answer:
        """The answer of the offline analyst as it is."""
        return make_answer(self.call, write_answer(read_prompt(self.call.messages)))

    def say(self, text: str) -> Answer:
        """Another text, clipped and counted like an honest one."""
        return make_answer(self.call, text)

    async def deliver(self, answer: Answer, *, lasting: float | None = None) -> None:
        """Send an answer the way the call wants it."""
        await deliver(answer, call=self.call, reply=self.reply, delay=self.delay, lasting=lasting)


Play = Callable[[Exchange], Awaitable[None]]


async def answer_honestly(exchange: Exchange) -> None:
    """The default model."""
    await exchange.deliver(exchange.honest())


async def answer_slowly(exchange: Exchange) -> None:
    """The honest answer, dripped over several seconds: time to kill a worker in mid-answer."""
    await exchange.deliver(exchange.honest(), lasting=SLOW_ANSWER_S)


async def refuse_credentials(exchange: Exchange) -> None:
    """401; the message repeats part of the key, as providers do, so it must never be shown or logged."""
    key = exchange.key
    shown = f"{key[:8]}{'*' * max(len(key) - 12, 3)}{key[-4:]}" if key else "(none)"
    text = f"Incorrect API key provided: {shown}. You can find your API key in your account settings."
    raise ApiError(401, text, code="invalid_api_key")


async def refuse_region(exchange: Exchange) -> None:
    """403."""
    text = "Country, region, or territory not supported"
    raise ApiError(403, text, kind="request_forbidden", code="unsupported_country_region_territory")


async def know_no_model(exchange: Exchange) -> None:
    """404, as for a model that was switched off."""
    raise unknown_model(exchange.call.model)


async def limit_rate_once(exchange: Exchange) -> None:
    """429 with Retry-After for the first request of a prompt, then the honest answer."""
    if exchange.nth == 1:
        text = "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 1s."
        raise ApiError(429, text, kind="requests", code="rate_limit_exceeded", headers=(("retry-after", "1"),))
    await answer_honestly(exchange)


async def have_no_quota(exchange: Exchange) -> None:
    """429 that no waiting helps against."""
    text = "You exceeded your current quota, please check your plan and billing details."
    raise ApiError(429, text, kind="insufficient_quota", code="insufficient_quota")


async def fail_always(exchange: Exchange) -> None:
    """500."""
    text = "The server had an error while processing your request. Sorry about that!"
    raise ApiError(500, text, kind="server_error")


async def overload_twice(exchange: Exchange) -> None:
    """503 for the first two requests of a prompt, then the honest answer."""
    if exchange.nth <= 2:
        raise ApiError(503, "The engine is currently overloaded, please try again later", kind="server_error")
    await answer_honestly(exchange)


async def never_answer(exchange: Exchange) -> None:
    """Accepts the request and says nothing, not even a header."""
    await exchange.reply.pause(None)


async def drip_for_ever(exchange: Exchange) -> None:
    """Something arrives now and then, so no read times out, and the answer never comes."""
    stream = exchange.call.stream
    await exchange.reply.start(content_type=SSE_TYPE if stream else JSON_TYPE)
    while True:
        await exchange.reply.write(b": keep-alive\n\n" if stream else b" ")
        await exchange.reply.pause(DRIP_EVERY_S)


async def cut_the_line(exchange: Exchange) -> None:
    """Half the answer, then the connection is gone without the closing chunk."""
    stream = exchange.call.stream
    events = list(events_of(exchange.honest(), include_usage=False))
    whole = to_json(body_of(exchange.honest()))
    await exchange.reply.start(content_type=SSE_TYPE if stream else JSON_TYPE)
    for piece in events[: len(events) // 2] if stream else [whole[: len(whole) // 2]]:
        await exchange.reply.write(piece)
        await exchange.reply.pause(exchange.delay)


async def end_early(exchange: Exchange) -> None:
    """Half the answer, ended cleanly: no finish_reason, no [DONE], no usage, and no error either."""
    honest = exchange.honest()
    half = replace(honest, text=honest.text[: len(honest.text) // 2], finish_reason=None, usage=None)
    if exchange.call.stream:
        body, content_type = b"".join(events_of(half, include_usage=False)), SSE_TYPE
    else:
        body, content_type = to_json(body_of(half)), JSON_TYPE
    await exchange.reply.start(content_type=content_type, headers=[("connection", "close")])
    await exchange.reply.finish(body)


async def send_garbage(exchange: Exchange) -> None:
    """200 with the right content type and broken JSON."""
    broken = b'{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":'
    stream = exchange.call.stream
    await exchange.reply.start(content_type=SSE_TYPE if stream else JSON_TYPE)
    await exchange.reply.finish(b"data: " + broken + b"\n\ndata: [DONE]\n\n" if stream else broken)


async def send_page(exchange: Exchange) -> None:
    """200 with a web page, as a captive portal or a wrong base URL gives."""
    page = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>Please sign in</h1></body></html>"
    await exchange.reply.start(content_type="text/html; charset=utf-8")
    await exchange.reply.finish(page)


async def send_no_choices(exchange: Exchange) -> None:
    """A completion without choices: [] on odd requests of a prompt, null on even ones; a stream sends both."""
    usage = report_usage(prompt_tokens=exchange.call.prompt_tokens, completion_tokens=0)
    if not exchange.call.stream:
        body = Envelope().wrap(kind="chat.completion", choices=[] if exchange.nth % 2 else None)
        await exchange.reply.send_json(body | {"usage": usage})
        return
    await exchange.reply.start(content_type=SSE_TYPE)
    both: tuple[object, object] = ([], None)
    for choices in both if exchange.nth % 2 else reversed(both):
        await exchange.reply.write(to_event(Envelope().wrap(kind="chat.completion.chunk", choices=choices)))
    await exchange.reply.finish(b"data: [DONE]\n\n")


async def cut_to_length(exchange: Exchange) -> None:
    """An answer that ran into the token limit, with finish_reason "length"."""
    whole = exchange.honest()
    spent = (whole.usage or {}).get("completion_tokens", 2)
    await exchange.deliver(make_answer(exchange.call, whole.text, max_tokens=max(spent // 2, 1)))


async def filter_content(exchange: Exchange) -> None:
    """An answer that a content filter stopped."""
    text = exchange.honest().text
    await exchange.deliver(replace(exchange.say(text[: len(text) // 3]), finish_reason="content_filter"))


async def refuse_politely(exchange: Exchange) -> None:
    """The model declines: the refusal field is set and there is no content."""
    await exchange.deliver(replace(exchange.say(REFUSAL), refusal=REFUSAL))


async def report_no_usage(exchange: Exchange) -> None:
    """The honest answer without any usage."""
    await exchange.deliver(replace(exchange.honest(), usage=None))


async def report_absurd_usage(exchange: Exchange) -> None:
    """The honest answer with a usage that cannot be."""
    absurd = report_usage(prompt_tokens=-5, completion_tokens=10**12)
    await exchange.deliver(replace(exchange.honest(), usage=absurd))


async def send_too_much(exchange: Exchange) -> None:
    """More than 20 MB of answer."""
    pieces = HUGE_BYTES // len(HUGE_PIECE) + 1
    reply, stream, envelope = exchange.reply, exchange.call.stream, Envelope()
    head, tail = to_json(body_of(Answer(text="\0"))).split(b"\\u0000")
    await reply.start(content_type=SSE_TYPE if stream else JSON_TYPE)
    await reply.write(b"" if stream else head)
    piece = to_event(envelope.chunk({"content": HUGE_PIECE})) if stream else HUGE_PIECE.encode()
    for _ in range(pieces):
        await reply.write(piece)
        # Other exchanges of this server, such as the request log, must not wait for the last megabyte.
        await reply.pause(0)
    end = to_event(envelope.chunk({}, finish_reason="stop")) + b"data: [DONE]\n\n"
    await reply.finish(end if stream else tail)


async def redirect_elsewhere(exchange: Exchange) -> None:
    """307 to another port and path; a client that follows takes the prompt there and gets an answer."""
    await exchange.reply.start(status=307, headers=[("location", exchange.elsewhere), ("content-length", "0")])
    await exchange.reply.finish()


async def change_the_numbers(exchange: Exchange) -> None:
    """The honest answer with some of its numbers changed."""
    await exchange.deliver(exchange.say(change_numbers(write_answer(read_prompt(exchange.call.messages)))))


async def echo_the_prompt(exchange: Exchange) -> None:
    """Everything that was sent, system message included."""
    await exchange.deliver(exchange.say(read_prompt(exchange.call.messages).whole))


async def obey_the_data(exchange: Exchange) -> None:
    """Does what lines in the data order; honest when there are none."""
    prompt = read_prompt(exchange.call.messages)
    await exchange.deliver(exchange.say(obey(prompt) or write_answer(prompt)))


MODELS: dict[str, Play] = {"offline-analyst": answer_honestly, "offline-analyst-slow": answer_slowly}

FAULTS: dict[str, Play] = {
    "fault-401": refuse_credentials,
    "fault-403": refuse_region,
    "fault-404": know_no_model,
    "fault-429-retry-after-1": limit_rate_once,
    "fault-quota": have_no_quota,
    "fault-500": fail_always,
    "fault-503-twice": overload_twice,
    "fault-timeout": never_answer,
    "fault-drip": drip_for_ever,
    "fault-cut": cut_the_line,
    "fault-silent-cut": end_early,
    "fault-garbage": send_garbage,
    "fault-html": send_page,
    "fault-empty-choices": send_no_choices,
    "fault-length": cut_to_length,
    "fault-content-filter": filter_content,
    "fault-refusal": refuse_politely,
    "fault-no-usage": report_no_usage,
    "fault-absurd-usage": report_absurd_usage,
    "fault-huge": send_too_much,
    "fault-redirect": redirect_elsewhere,
    "fault-wrong-numbers": change_the_numbers,
    "fault-echo": echo_the_prompt,
    "fault-obey": obey_the_data,
}
