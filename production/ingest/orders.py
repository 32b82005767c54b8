"""Orders: what a file says of an order's quantity, which counts once, however many rows repeat it."""

from dataclasses import dataclass, field

from production.ingest.oddities import Oddities
from production.ingest.rows import OrderSaid
from production.models import WorkOrder


@dataclass
class OrderBook:
    """The quantities that the rows of one file name; `column` is where they stand."""

    column: str
    oddities: Oddities
    _first: dict[str, OrderSaid] = field(default_factory=dict)

    def note(self, said: OrderSaid) -> None:
        """Keep the first quantity of an order; another one is a warning."""
        first = self._first.setdefault(said.code, said)
        if first.quantity != said.quantity:
            self._warn(said, f"line {first.line} says {first.quantity:g}; that one is kept")

    def record(self) -> None:
        """Write each order's quantity once; one that is recorded already is not overwritten."""
        changed = []
        for row in WorkOrder.objects.filter(code__in=self._first):
            said = self._first[row.code]
            if row.quantity is None:
                row.quantity = said.quantity
                changed.append(row)
            elif row.quantity != said.quantity:
                self._warn(said, f"{row.quantity:g} is recorded already and is kept")
        WorkOrder.objects.bulk_update(changed, ["quantity"], batch_size=1000)

    def _warn(self, said: OrderSaid, instead: str) -> None:
        detail = f"The quantity of {said.code} is {said.quantity:g} here; {instead}."
        self.oddities.note(said.line, self.column, "order_quantity_differs", detail, f"{said.quantity:g}")
