"""Rendering: an answer's markdown becomes inert HTML, with a mark on every number the guard has judged.

What a model writes is hostile until proven otherwise: raw HTML, links and images are off in the parser, and an
allow-list without attributes is applied to what it made. A growing answer takes the same path as a finished one.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

TAGS = {
    "p", "br", "hr", "h3", "h4", "h5", "h6", "strong", "em", "s", "ul", "ol", "li", "blockquote", "code", "pre",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
# Nothing that can point elsewhere: an address in an answer stays text.
SILENT_RULES = ["link", "image", "autolink", "reference", "html_block", "html_inline"]
PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(SILENT_RULES)

# Signs of the private use area stand for the marks while markdown is read: they survive parser and sanitiser
# unchanged and can only ever end up in text. The answer's own are replaced first.
CLOSE, FIRST, LAST = 0xE000, 0xE001, 0xF8FF
PRIVATE = re.compile("[\ue000-\uf8ff]")
MARKED = re.compile("([\ue001-\uf8ff])([^<>\ue000-\uf8ff]*)\ue000")
# Which fact a sentence rests on; shown small, so that the sentence reads on.
REFERENCE = re.compile(r"\[F\d+(?:, ?F\d+)*\]")
SIGNS = {"unknown": "?", "contradicted": "≠"}
VERDICTS = ("found", "derived", "unknown", "contradicted")


def render_answer(text: str, *, marks: Sequence[Mapping[str, Any]] = ()) -> SafeString:
    """The answer as HTML without links, images, attributes or scripts; `marks` are the guard's, by offset in `text`."""
    marks = sorted(marks, key=lambda mark: mark["start"])[: LAST - FIRST]
    source = _place_marks(PRIVATE.sub("\ufffd", text), marks)
    clean = nh3.clean(_to_html(_without_tricks(source)), tags=TAGS, attributes={"*": set()}, link_rel=None)
    marked = MARKED.sub(lambda match: _mark(match, marks), clean)
    marked = REFERENCE.sub(r'<span class="fact-ref">\g<0></span>', marked)
    return mark_safe(PRIVATE.sub("", marked))  # noqa: S308 - all of it came through the allow-list


def _place_marks(text: str, marks: Sequence[Mapping[str, Any]]) -> str:
    pieces, reached = [], 0
    for number, mark in enumerate(marks):
        start, end = mark["start"], mark["end"]
        if start < reached or end > len(text) or _is_list_number(text, start, end):
            continue
        pieces += [text[reached:start], chr(FIRST + number), text[start:end], chr(CLOSE)]
        reached = end
    return "".join([*pieces, text[reached:]])


def _is_list_number(text: str, start: int, end: int) -> bool:
    """Whether the number only counts the points of a list; a sign before it would end the list."""
    line_start = text.rfind("\n", 0, start) + 1
    return not text[line_start:start].strip() and text[end : end + 1] in {".", ")"}


def _without_tricks(text: str) -> str:
    """Without control, direction and invisible signs: what is read is what is there."""
    return "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign) not in {"Cc", "Cf"})


def _to_html(source: str) -> str:
    tokens = PARSER.parse(source)
    headings = [token for token in tokens if token.type in {"heading_open", "heading_close"}]
    # The page has its own first and second level; the answer's highest, whatever it is, comes next.
    highest = min((int(token.tag[1]) for token in headings), default=1)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + 3, 6)}"
    return str(PARSER.renderer.render(tokens, PARSER.options, {}))


def _mark(match: re.Match[str], marks: Sequence[Mapping[str, Any]]) -> str:
    mark = marks[ord(match[1]) - FIRST]
    verdict = mark["verdict"] if mark["verdict"] in VERDICTS else "unknown"
    source = escape(mark.get("how") or mark.get("fact") or "")
    title = f' title="{source}"' if source else ""
    if verdict not in SIGNS:
        return f'<mark class="num {verdict}"{title}>{match[2]}</mark>'
    spoken = _("contradicts the figures") if verdict == "contradicted" else _("not in the figures")
    sign = f'<span class="sign" aria-hidden="true">{SIGNS[verdict]}</span>'
    sign += f'<span class="visually-hidden"> ({spoken})</span>'
    return f'<mark class="num {verdict}"{title}>{match[2]}{sign}</mark>'
