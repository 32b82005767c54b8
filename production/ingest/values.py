"""Values: which texts a column, or an item of a log, holds and how often; states are mapped from them."""

from collections import Counter
from collections.abc import Collection
from itertools import islice
from pathlib import Path

from production.ingest.joins import join_table
from production.ingest.mapping import Join, Layout, normalise
from production.ingest.openers import open_table

ROWS_COUNTED = 200_000
MOST_VALUES = 500


def count_values(
    *, path: Path, layout: Layout, column: str, items: Collection[str] = (), join: Join | None = None
) -> Counter[str]:
    """How often each text occurs in the first 200,000 rows; of a log with `items`, those items' values alone.

    At most 500 different texts: a column with more holds no states. Raises `ImportRefused`.
    """
    table = open_table(path=path, layout=layout)
    if join:
        table = join_table(table=table, join=join)
    name, wanted, found = normalise(column), set(items), Counter[str]()
    for row in islice(table.rows(), ROWS_COUNTED):
        if wanted and row.cells.get("Item") not in wanted:
            continue
        text = row.cells.get(name, "")
        if text and (text in found or len(found) < MOST_VALUES):
            found[text] += 1
    return found
