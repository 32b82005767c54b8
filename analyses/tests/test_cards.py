"""Cards: what a person reads of an analysis at each stage of its life."""

import datetime as dt

import pytest

from analyses.cards import describe_left_out, describe_money, describe_numbers, describe_tokens, make_card
from analyses.models import Analysis

START = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)


def analysis(**more):
    return Analysis(created_at=START, next_attempt_at=START, expires_at=START, model_requested="m", **more)


def card(seconds=4, **more):
    return make_card(analysis(**more), now=START + dt.timedelta(seconds=seconds))


class TestStage:
    @pytest.mark.parametrize(
        ("more", "stage"),
        [
            ({"status": "queued"}, "Waiting for its turn"),
            ({"status": "running"}, "The model is reading the figures"),
            ({"status": "running", "answer": "OEE"}, "The model is writing"),
            ({"status": "running", "answer": "OEE", "cancel_requested": True}, "Cancelling"),
            ({"status": "queued", "attempts": 1}, "Try 2 begins in 0 s"),
        ],
    )
    def test_it_says_what_is_happening(self, more, stage):
        shown = card(**more)
        assert (shown.stage, shown.busy, shown.seconds) == (stage, True, 4)

    @pytest.mark.parametrize(
        ("more", "word", "tone"),
        [
            ({"status": "done", "finish_reason": "stop"}, "done", "done"),
            ({"status": "done", "finish_reason": "length"}, "cut off", "truncated"),
            ({"status": "failed"}, "failed", "failed"),
            ({"status": "cancelled"}, "cancelled", "cancelled"),
        ],
    )
    def test_it_tells_the_ends_apart(self, more, word, tone):
        shown = card(**more)
        assert (shown.word, shown.tone, shown.busy) == (word, tone, False)


class TestNumbers:
    def test_it_says_how_many_are_confirmed(self):
        counts = {"found": 12, "derived": 2, "unknown": 1, "contradicted": 0}
        assert describe_numbers(counts) == ("14 of 15 numbers confirmed", False)

    def test_it_says_nothing_before_they_are_checked(self):
        assert describe_numbers(None) == ("", True)

    def test_an_answer_without_numbers_has_none_to_confirm(self):
        counts = {"found": 0, "derived": 0, "unknown": 0, "contradicted": 0}
        assert describe_numbers(counts) == ("No numbers in this answer", True)


class TestMoney:
    @pytest.mark.parametrize(
        ("micros", "text"), [(412, "0.000412 USD"), (1_500_000, "1.50 USD"), (0, "0.00 USD"), (None, "unknown price")]
    )
    def test_it_writes_every_digit_and_never_zero_for_unknown(self, micros, text):
        assert describe_money(analysis(prompt_tokens=5, cost_micros=micros, currency="USD")) == text

    def test_tokens_that_we_counted_ourselves_are_called_estimated(self):
        usage = {"prompt_tokens": 1200, "completion_tokens": 34, "usage_estimated": True}
        assert describe_tokens(analysis(**usage)) == "1,234 tokens (1,200 in, 34 out), estimated"


class TestLeftOut:
    def test_it_lists_what_did_not_fit(self):
        cut = [{"what": "facts", "count": 12, "detail": "F21-F32"}, {"what": "table rows", "count": 1, "detail": "M7"}]
        assert describe_left_out(cut) == "12 facts (F21-F32), 1 table rows (M7)"
