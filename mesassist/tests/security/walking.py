"""Walking: every address of the portal as the resolver knows it, with the view behind it and what varies in it."""

import re
from dataclasses import dataclass

from django.urls import URLPattern, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

NAMED = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")
CONVERTED = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Door:
    """An address: `name` with its namespace, `route` as it is written, `view`, and the `parts` that vary."""

    name: str
    route: str
    view: object
    parts: tuple[str, ...]
    template: str

    @property
    def least_role(self):
        return getattr(self.view, "least_role", None)

    @property
    def needs(self):
        return getattr(getattr(self.view, "cls", None), "needs", None)

    def path(self, **values):
        """The address with its parts filled in."""
        return "/" + self.template.format(**values)


def walk(patterns=None, template="", namespace="", parts=(), route=""):
    """Every door below the patterns, those without a name included."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        text = template + template_of(pattern.pattern)
        here = parts + tuple(name for name in parts_of(pattern.pattern) if name not in parts)
        whole = route + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            name = namespace + (pattern.name or f"unnamed {whole}")
            yield Door(name, whole, pattern.callback, here, text)
        else:
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from walk(pattern.url_patterns, text, inner, here, whole)


def parts_of(pattern):
    """The names of what varies."""
    if isinstance(pattern, RegexPattern):
        return tuple(pattern.regex.groupindex)
    return tuple(pattern.converters)


def template_of(pattern):
    """The pattern as a format: `summaries/{summary_id}/`."""
    text = str(pattern)
    if isinstance(pattern, RoutePattern):
        return CONVERTED.sub(r"{\1}", text)
    text = NAMED.sub(r"{\1}", text.removeprefix("^").removesuffix("$").removesuffix(r"\Z"))
    return text.replace("\\", "").replace("?", "")


def all_doors():
    """The doors by name; the admin's nameless ones go by their route."""
    return {door.name: door for door in walk()}
