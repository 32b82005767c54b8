"""Filters: `production.formats` for templates, so that a table writes a number as the facts do."""

from django import template

from dashboards.widgets import format_quantity, percent_of_width
from production.formats import format_count, format_duration, format_ratio, format_share

register = template.Library()
register.filter("count", format_count)
register.filter("duration", format_duration)
register.filter("ratio", format_ratio)
register.filter("share", format_share)
register.filter("width", percent_of_width)
register.filter("quantity", format_quantity)
