"""Canaries: words of Beta's that no other text holds, one for each text column, and where they were heard."""

import re

from mesassist.tests.security.catalogue import label

HEARD = re.compile(rb"canary-b-[a-z_]+-[a-z_0-9]+|canb\d{4}", re.IGNORECASE)
# Columns whose words are not free, or that are too short for one: what stands there is in `plants.WORDS`.
SHORTEST = 8


class Aviary:
    """Gives each text column its canary, and knows afterwards whose column one was."""

    def __init__(self):
        self.columns, self.words = {}, {}

    def text(self, field):
        """The canary of a field; a short one where the column is short."""
        table, most = field.model._meta.db_table, field.max_length or 1000
        where = f"{label(field.model)}.{field.name}"
        if most < SHORTEST:
            return "x"
        word = f"CANARY-B-{table}-{field.column}"
        word = self.words.setdefault(where, word if len(word) <= most else f"CANB{len(self.words):04d}")
        self.columns[word.lower().encode()] = where
        return word

    def heard(self, *texts):
        """The columns whose canaries are in these texts (bytes)."""
        found = {word.lower() for text in texts for word in HEARD.findall(text)}
        return {self.columns.get(word, word.decode()) for word in found}
