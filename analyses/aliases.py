"""Aliases: names of the plant out of a text before it is sent, and back into the answer; pure.

An alias is a kind and letters, `MACHINE-AB`: without digits, so that no number can be mistaken for it, and unlike any
word, so that it comes back as it went. A name is found whatever its case, at the beginning of a word; what follows a
long one (`Warsaw` in `Warsawie`) stays behind its alias.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

KINDS = ("MACHINE", "LINE", "SITE", "PRODUCT", "ORDER", "PERSON", "WORD")
HYPHEN = "[-\u2010\u2011\u2013]"
WRITTEN = "|".join([*KINDS, *(kind.capitalize() for kind in KINDS)])
ALIAS = re.compile(rf"(?<![A-Za-z])({WRITTEN}){HYPHEN}([A-Z]{{1,4}})(?![A-Z])(?:_(?=[A-Z]))?")
# The beginning of an alias at the end of a text: more of it may be on its way.
TAIL = re.compile(rf"(?<![A-Za-z])[A-Za-z]+(?:{HYPHEN}[A-Z]{{0,4}}_?)?$")
# Shorter names are whole words only: `M4` is not in `M40`, nor a product `Nut` in `Nutzung`.
LONG = 5
INVENTED = "{0} (?)"


@dataclass(frozen=True)
class AliasBook:
    """The names of a plant and what stands for them: {name: alias}, names in normal form (NFC)."""

    aliases: Mapping[str, str]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """{alias: name}."""
        return {alias: name for name, alias in self.aliases.items()}

    def mask(self, text: str) -> str:
        """The text with aliases for names, the longest first; also for words that look like an alias themselves."""
        text = unicodedata.normalize("NFC", text)
        return self._pattern.sub(lambda found: self._alias(found, text), text) if self.aliases else text

    def restore(self, text: str) -> str:
        """The text with its names again; an alias that nobody gave is marked."""
        return ALIAS.sub(self._name, text) if self.aliases else text

    def restore_growing(self, text: str) -> str:
        """The same of a text that is still growing: what may become an alias at its end is held back."""
        if not self.aliases:
            return text
        tail = TAIL.search(text)
        if tail and _may_become_alias(tail.group()):
            text = text[: tail.start()]
        return self.restore(text)

    def used_in(self, text: str) -> dict[str, str]:
        """{alias: name} of the aliases that stand in a text."""
        found = dict.fromkeys(_canonical(match) for match in ALIAS.finditer(text))
        return {alias: self.names[alias] for alias in found if alias in self.names}

    def find_leaks(self, text: str) -> list[str]:
        """Names that are still in a masked text, however they are written: wide letters, loose accents, odd blanks."""
        plain = _plain(text)
        return [name for name in self.aliases if re.search(_whole(_plain(name)), plain)]

    def _alias(self, found: re.Match[str], text: str) -> str:
        alias = self._by_folded.get(_fold(found.group()))
        if alias is None:
            return found.group()
        # Without a joint the capitals of the word's rest would become a part of the alias.
        is_glued = text[found.end() : found.end() + 1] in CAPITALS
        return f"{alias}_" if is_glued else alias

    def _name(self, found: re.Match[str]) -> str:
        return self.names.get(_canonical(found)) or INVENTED.format(found.group())

    @cached_property
    def _by_folded(self) -> Mapping[str, str]:
        return {_fold(name): alias for name, alias in self.aliases.items()}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest = sorted(self.aliases, key=len, reverse=True)
        return re.compile("|".join(_whole(name) for name in longest), re.IGNORECASE)


CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def book_of(aliases: Mapping[str, str]) -> AliasBook:
    """The book in which {alias: name} was kept with an analysis."""
    return AliasBook({name: alias for alias, name in aliases.items()})


def give_aliases(*, kind: str, names: Iterable[str], taken: int) -> dict[str, str]:
    """{name: alias} for new names of a kind of which `taken` have aliases already."""
    return {name: f"{kind}-{letters_of(number)}" for number, name in enumerate(names, start=taken)}


def letters_of(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    while number >= 0:
        letters = chr(ord("A") + number % 26) + letters
        number = number // 26 - 1
    return letters


def is_worth_hiding(name: str) -> bool:
    """Whether a name can be told from ordinary text: one of digits alone would take the figures along."""
    return len(name) > 1 and any(character.isalpha() for character in name)


def _whole(name: str) -> str:
    # Korean hangs its endings on any word.
    end = "" if len(name) >= LONG and name[-1].isalpha() else r"(?![^\W가-힣])"
    # Any blank will do between two words.
    words = r"\s+".join(re.escape(word) for word in name.split())
    return rf"(?<!\w){words}{end}"


def _canonical(found: re.Match[str]) -> str:
    return f"{found[1].upper()}-{found[2]}"


def _may_become_alias(tail: str) -> bool:
    kind, hyphen, _ = re.split(f"({HYPHEN})", f"{tail}", maxsplit=1) if re.search(HYPHEN, tail) else (tail, "", "")
    options = [*KINDS, *(one.capitalize() for one in KINDS)]
    return kind in options if hyphen else any(option.startswith(kind) for option in options)


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()


def _plain(text: str) -> str:
    """Letters as they are meant: compatibility forms made plain, invisible signs gone, case folded."""
    visible = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return visible.casefold()
