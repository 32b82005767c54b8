"""Reading: the messages of a call as the facts, the question and the language they hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offline_analyst.tokens import text_of

LANGUAGE_LINE = re.compile(r"^\s*Answer language:\s*([A-Za-z]{2})", re.MULTILINE)
# `F1: text`, also as a list item, in brackets or in bold: other writers of prompts have other habits.
FACT_LINE = re.compile(
    r"^[ \t>*\-]*[\[(]?(F\d+)(?:[\])][:.=]?|[ \t]*[:.=\-])(?:\*\*)?[ \t]+(\S.*?)[ \t\r]*$", re.MULTILINE
)
QUESTION_LINE = re.compile(r"^Question:[ \t]*(?:\r?\n)?", re.MULTILINE)


@dataclass(frozen=True)
class Fact:
    """One numbered fact as the portal wrote it: `id` is "F1", `text` is quoted and never changed."""

    id: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """What a call asks. `data` is the text that came from the plant or from a person, not from the portal."""

    language: str
    facts: tuple[Fact, ...]
    question: str
    data: str
    system: str
    whole: str


def read_prompt(messages: Sequence[Mapping[str, Any]]) -> Prompt:
    """Read language, facts and question; the newest facts and the newest question count, older turns are history."""
    system = "\n".join(_texts(messages, roles=("system", "developer")))
    asked = _texts(messages, roles=("user",))
    holder = next((text for text in reversed(asked) if _facts_in(text)), "")
    newest = asked[-1] if asked else ""
    found = LANGUAGE_LINE.search(system)
    return Prompt(
        language=found.group(1).lower() if found else "en",
        facts=_facts_in(holder),
        question=_question_in(newest),
        data="\n".join(dict.fromkeys(_data_in(holder) + _data_in(newest))),
        system=system,
        whole="\n\n".join(text_of(message.get("content")) for message in messages),
    )


def _texts(messages: Sequence[Mapping[str, Any]], *, roles: tuple[str, ...]) -> list[str]:
    return [text_of(message.get("content")) for message in messages if message.get("role") in roles]


def _block(text: str, name: str) -> tuple[str, int] | None:
    # The first closing line ends the block, so a question that repeats the fences cannot add facts.
    found = re.search(rf"^<<<{name}[^\n]*\n(.*?)^{name}>>>", text, re.MULTILINE | re.DOTALL)
    return (found.group(1), found.end()) if found else None


def _facts_in(text: str) -> tuple[Fact, ...]:
    block = _block(text, "FACTS")
    lines = block[0] if block else text
    return tuple(Fact(id=number, text=words) for number, words in FACT_LINE.findall(lines))


def _question_in(text: str) -> str:
    facts, table = _block(text, "FACTS"), _block(text, "TABLE")
    after = max((block[1] for block in (facts, table) if block), default=0)
    asked = QUESTION_LINE.search(text, after)
    if asked:
        return text[asked.end() :]
    # A message without our layout is a chat turn: all of it is the question, unless it is all facts.
    return "" if _facts_in(text) else text


def _data_in(text: str) -> list[str]:
    blocks = [block[0] for name in ("FACTS", "TABLE") if (block := _block(text, name))]
    return [*blocks, _question_in(text)] if blocks else [text]
