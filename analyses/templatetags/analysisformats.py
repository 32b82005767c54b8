"""Filters: an analysis's figures as the cards write them."""

import datetime as dt

from django import template

from analyses.cards import describe_money, word_of
from analyses.models import Analysis

register = template.Library()
register.filter("cost", describe_money)
register.filter("status_word", word_of)


@register.filter
def number(count: int | None) -> str:
    """`1,204`, or a dash where nothing was reported."""
    return "–" if count is None else f"{count:,}"


@register.filter
def tokens(analysis: Analysis) -> str:
    """All tokens of an analysis."""
    if analysis.prompt_tokens is None or analysis.completion_tokens is None:
        return "–"
    return f"{analysis.prompt_tokens + analysis.completion_tokens:,}"


@register.filter
def seconds_since(later: dt.datetime | None, earlier: dt.datetime) -> str:
    """`1.4 s` between two moments; a dash while the later one has not come."""
    return "–" if later is None else f"{(later - earlier).total_seconds():.1f} s"
