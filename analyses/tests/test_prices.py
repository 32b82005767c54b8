"""Prices: whole micro-units, cached tokens once, and unknown where nobody knows."""

import datetime as dt

from analyses.answers import Usage
from analyses.prices import format_cost, price_usage

AT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
OPENAI = "https://api.openai.com/v1"


def usage(prompt, cached, completion):
    return Usage(prompt, cached, completion, 0, estimated=False)


class TestPriceUsage:
    def test_it_prices_input_and_output(self):
        cost = price_usage(usage=usage(1_000_000, 0, 1_000_000), model="gpt-4.1-mini", endpoint=OPENAI, at=AT)
        assert (cost.amount_micros, cost.currency) == (2_000_000, "USD")
        assert cost.price_version.startswith("genai-prices ")

    def test_cached_tokens_are_counted_once_at_their_own_price(self):
        cost = price_usage(usage=usage(1_000_000, 1_000_000, 0), model="gpt-4.1-mini", endpoint=OPENAI, at=AT)
        assert cost.amount_micros == 100_000

    def test_a_dated_model_name_is_known(self):
        dated = price_usage(usage=usage(1000, 0, 10), model="gpt-4.1-mini-2025-04-14", endpoint=OPENAI, at=AT)
        assert dated == price_usage(usage=usage(1000, 0, 10), model="gpt-4.1-mini", endpoint=OPENAI, at=AT)

    def test_an_unknown_model_is_unknown_and_not_free(self):
        assert price_usage(usage=usage(1000, 0, 10), model="offline-analyst", endpoint=OPENAI, at=AT) is None

    def test_a_known_name_at_an_own_server_is_unknown(self):
        endpoint = "http://127.0.0.1:8009/v1"
        assert price_usage(usage=usage(1000, 0, 10), model="gpt-4.1-mini", endpoint=endpoint, at=AT) is None


class TestFormatCost:
    def test_it_shows_four_places(self):
        assert format_cost(amount_micros=412, currency="USD") == "0.0004 USD"

    def test_it_says_unknown(self):
        assert format_cost(amount_micros=None, currency="") == "unknown price"
