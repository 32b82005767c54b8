"""JSON: what is doubtful is refused, each limit by itself, and what lies just within it is read."""

import pytest
from rest_framework.exceptions import ParseError

from mesassist.tenants.wire import DEPTH, read_json


def nested(levels):
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


class TestLimits:
    @pytest.mark.parametrize(
        ("within", "beyond", "words"),
        [
            (nested(DEPTH), nested(DEPTH + 1), "nested deeper"),
            (b"[]", b"[" * 100_000, "nested deeper"),
            (b'{"a": 1e308}', b'{"a": 1e309}', "not a number"),
            (b'{"a": 0.5}', b'{"a": NaN}', "not a number"),
            (b'{"a": -1}', b'{"a": -Infinity}', "not a number"),
            (b'{"a": {"a": 1}}', b'{"b": {"a": 1, "a": 1}}', "twice"),
            (b'["a\\u0001"]', b'["a\\u0000"]', "NUL"),
            (b'{"\\u0001": 1}', b'{"\\u0000": 1}', "NUL"),
            (b'["\\ud83d\\ude00"]', b'["\\ud83d"]', "half a character pair"),
            (b'["\\udbff\\udfff"]', b'["\\udfff\\udbff"]', "half a character pair"),
            ('["ü"]'.encode(), '["ü"]'.encode("latin-1"), "not valid JSON"),
        ],
        ids=["depth", "abyss", "1e999", "nan", "infinity", "twice", "nul", "nul-key", "half", "halves", "utf8"],
    )
    def test_just_within_is_read_and_just_beyond_is_refused(self, within, beyond, words):
        read_json(within)
        with pytest.raises(ParseError, match=words):
            read_json(beyond)
