"""Refusals: the codes of what cannot be taken, each with a sentence that says what to send instead."""

import re

SENTENCES = {
    "invalid_json": "This is not one JSON object ({0}). Send one object per event, in UTF-8.",
    "invalid": "{0}. Correct the field and send the event again.",
    "missing_field": "The field `{0}` is missing. Send it with every event of this kind.",
    "unknown_field": "There is no field `{0}` in this kind of event. Leave it out, or check its spelling.",
    "duplicate_key": "A field occurs twice. Send each field once: it is not for us to choose between two values.",
    "nul_character": "A text holds a NUL character (\\u0000), which cannot be stored. Send the text without it.",
    "lone_surrogate": "A text holds half of a character pair. Send well-formed Unicode.",
    "too_deep": "The value is nested too deeply. An event is one flat object.",
    "unknown_kind": "`kind` is one of state, count, counter, measurement; this is {0}.",
    "unknown_state": "`state` is one of running, idle, setup, planned_stop, down, unknown; this is {0}. "
    "Map the source's states to these.",
    "naive_timestamp": "`{0}` has no offset, so it names no moment. Send it like 2026-03-02T06:15:00+01:00.",
    "invalid_timestamp": "`{0}` is not an RFC 3339 date and time. Send it like 2026-03-02T06:15:00+01:00.",
    "future_timestamp": "The stamp is more than 5 minutes ahead of our clock. Check the clock and zone of the source.",
    "implausible_timestamp": "The stamp is before {0}: the source's clock is not set. Set it and send the event again.",
    "before_retention": "The stamp is before {0}, and older events are not kept here. Leave it out, or ask whoever "
    "runs the portal to keep more.",
    "reserved_source": "The source name {0!r} is kept for corrections by people. Send events under the name of "
    "the system that they come from.",
    "ends_before_start": "`until` is earlier than `at`. Send the end of the interval, or leave it out.",
    "negative_quantity": "`{0}` is negative. Send the pieces made since the last count; a correction is its own event.",
    "empty_count": "A count without good, scrap or rework says nothing. Send at least one of them.",
    "seconds_for_milliseconds": "`{0}` is {1}: too small for milliseconds since 1970; in seconds it is {2} UTC. "
    "Send milliseconds, as the name says.",
    "unmapped_message": "`{0}` is no message that becomes an event here. A message that changes pieces counted before "
    "is a correction: make it in the portal.",
    "unmapped_state": "The state {0!r} is not in the mapping of this vocabulary. Send one that is (docs/adapters.md).",
    "more_scrap_than_made": "{0} bad pieces of {1} made. Scrap is a part of what was made: correct one of them.",
    "unnamed_metric": "A metric has no name, only an alias ({0!r}). Publish names: what an alias stood for is known to "
    "the publisher's session alone.",
    "unknown_machine": "There is no machine {0!r} here. Add it under machines, then send the event again.",
    "conflict": "The id {0!r} was taken before with other content. Nothing was overwritten: send a correction under "
    "a new id.",
    "no_schema_id": "The record does not begin with a schema's id (a zero byte and four more). Produce it with a "
    "serializer that uses the schema registry, or set the topic's payload to what it holds.",
    "unknown_schema": "The schema registry does not know the schema {0}. Register the schema, then replay the record.",
    "schema_refused": "Records of the schema {0} are not decoded: {1} Produce them with another schema.",
    "undecodable": "The record does not fit its schema ({0}). Look at what produced it.",
    "crashes_decoder": "Decoding this record ended the process that did it, twice. Look at what produced it.",
    "too_large": "The record has {0} bytes; at most {1} are read. Send less in one record.",
    "too_many_events": "The record holds {0} events; at most {1} are read. Send less in one record.",
    "not_storable": "The database refuses what this record says ({0}).",
}

# What msgspec says, read once here: (pattern, code). Group 1 fills the sentence. Tests pin every line.
_MESSAGES = (
    (re.compile(r"missing required field `(.+?)`"), "missing_field"),
    (re.compile(r"contains unknown field `(.+?)`"), "unknown_field"),
    (re.compile(r"with a timezone component.*`\$\.(\w+)`"), "naive_timestamp"),
    (re.compile(r"(?:RFC3339|Expected `datetime).*`\$\.(\w+)`"), "invalid_timestamp"),
    (re.compile(r"Invalid enum value (.+) - at `\$\.state`"), "unknown_state"),
    (re.compile(r"Invalid value (.+) - at `\$\.kind`"), "unknown_kind"),
    (re.compile(r">= 0\.0 - at `\$\.(\w+)`"), "negative_quantity"),
)


class EventRefused(Exception):
    """An event cannot be taken: `code` for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail

    @classmethod
    def because(cls, code: str, *words: object) -> "EventRefused":
        """The refusal with the sentence of `code`, its gaps filled with `words`."""
        return cls(code, SENTENCES[code].format(*words))


def explain(error: Exception) -> EventRefused:
    """What a decoder's error means to the sender."""
    if isinstance(error, RecursionError):
        return EventRefused.because("too_deep")
    if isinstance(error, UnicodeEncodeError):
        return EventRefused.because("lone_surrogate")
    message = str(error)
    if message in SENTENCES:
        return EventRefused.because(message)
    for pattern, code in _MESSAGES:
        if found := pattern.search(message):
            return EventRefused.because(code, found.group(1))
    if "surrogate" in message or "hex escape" in message:
        return EventRefused.because("lone_surrogate")
    if isinstance(error, UnicodeDecodeError) or "malformed" in message or "truncated" in message:
        return EventRefused.because("invalid_json", message)
    if message.startswith("Expected `object`"):
        return EventRefused.because("invalid_json", message.replace("`", ""))
    return EventRefused.because("invalid", message)


def storable(text: str) -> str:
    """The text as PostgreSQL can hold it: neither NUL nor lone surrogates, which show as escapes."""
    return text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
