"""Prices: what a call cost, as whole micro-units of a currency, from dated price lists; an unknown price is unknown."""

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import genai_prices

from analyses.answers import Usage

CURRENCY = "USD"


@dataclass(frozen=True)
class Cost:
    """Money of one call: `amount_micros` millionths of `currency`, by the price list `price_version`."""

    amount_micros: int
    currency: str
    price_version: str


def price_usage(*, usage: Usage, model: str, endpoint: str, at: dt.datetime) -> Cost | None:
    """The cost of a call at that endpoint and moment, or None where no price is known: a local server has none.

    The price belongs to whoever runs the endpoint, so a known model's name at an unknown address stays unknown.
    Cached tokens are part of the prompt's and are paid once, at their own price.
    """
    try:
        counted = genai_prices.Usage(
            input_tokens=usage.prompt_tokens,
            cache_read_tokens=usage.cached_tokens,
            output_tokens=usage.completion_tokens,
        )
        calculated = genai_prices.calc_price(
            counted, model_ref=model, provider_api_url=endpoint, genai_request_timestamp=at
        )
    except (LookupError, ValueError):
        return None
    micros = (calculated.total_price * 1_000_000).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return Cost(int(micros), CURRENCY, f"genai-prices {genai_prices.__version__}")


def format_cost(*, amount_micros: int | None, currency: str) -> str:
    """`0.0004 USD`, or `unknown price`."""
    if amount_micros is None:
        return "unknown price"
    return f"{Decimal(amount_micros) / 1_000_000:.4f} {currency}"
