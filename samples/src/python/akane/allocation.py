"""Inventory allocation: which lot in which warehouse serves each line (在庫引当).

The rules are REQ-INV-020 to REQ-INV-025 of the specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from akane.errors import OutOfStock, WarehousesSuspended
from akane.order import OrderLine

MIN_LIFE = timedelta(days=7)
MAX_WAREHOUSES = 2


@dataclass(frozen=True, slots=True)
class Lot:
    """One lot of a SKU in a warehouse; `best_before` is None for what does not expire."""

    warehouse: str
    sku: str
    lot: str
    on_hand: int
    allocated: int = 0
    best_before: date | None = None
    stocktaking: bool = False

    @property
    def free(self) -> int:
        """Pieces that are not allocated yet, safety stock included."""
        return max(0, self.on_hand - self.allocated)

    def usable(self, deliver_on: date) -> bool:
        """Tell whether the lot may be shipped: not being counted, and with enough life left."""
        return not self.stocktaking and (self.best_before is None or self.best_before - deliver_on >= MIN_LIFE)


@dataclass(frozen=True, slots=True)
class Allocation:
    """So many pieces of one lot, for one order."""

    warehouse: str
    sku: str
    lot: str
    quantity: int


def allocate_inventory(
    lines: Sequence[OrderLine],
    lots: Iterable[Lot],
    warehouses: Sequence[str],
    deliver_on: date,
    safety_stock: Mapping[tuple[str, str], int] | None = None,
    priority: bool = False,
) -> list[Allocation]:
    """Choose stock for all lines from one warehouse, else from two.

    Args:
        lines: the lines of the order, one per SKU.
        lots: the lots of all warehouses.
        warehouses: the warehouses in operation, nearest to the delivery address first.
        deliver_on: the planned day of delivery.
        safety_stock: pieces kept back per (warehouse, SKU); not for priority customers.
        priority: whether the customer is a priority customer (優先得意先).

    Returns: allocations sorted by warehouse, SKU and lot, the order in which rows are to be locked.

    Raises: OutOfStock (E1024), WarehousesSuspended (E1027).
    """
    if not warehouses:
        raise WarehousesSuspended("no warehouse is in operation")
    kept = {} if priority else dict(safety_stock or {})
    shelf: dict[tuple[str, str], list[Lot]] = {}
    for lot in lots:
        if lot.usable(deliver_on):
            shelf.setdefault((lot.warehouse, lot.sku), []).append(lot)
    available = {place: sum(lot.free for lot in found) - kept.get(place, 0) for place, found in shelf.items()}
    for chosen in _candidates(warehouses):
        plan = _plan(lines, available, chosen)
        if plan is not None:
            picked = [pick for place, quantity in plan.items() for pick in _first_expired(shelf[place], quantity)]
            return sorted(picked, key=lambda pick: (pick.warehouse, pick.sku, pick.lot))
    raise OutOfStock("not enough stock in any two warehouses: " + ", ".join(line.sku for line in lines))


def _candidates(warehouses: Sequence[str]) -> list[tuple[str, ...]]:
    """Return single warehouses from near to far, then pairs by the sum of their distance ranks."""
    rank = {name: place for place, name in enumerate(warehouses)}
    pairs = sorted(combinations(warehouses, MAX_WAREHOUSES), key=lambda pair: sum(rank[name] for name in pair))
    return [(name,) for name in warehouses] + list(pairs)


def _plan(
    lines: Sequence[OrderLine], available: Mapping[tuple[str, str], int], chosen: Sequence[str]
) -> dict[tuple[str, str], int] | None:
    """Return pieces per (warehouse, SKU), the nearer warehouse first, or None when they are not enough."""
    plan: dict[tuple[str, str], int] = {}
    for line in lines:
        missing = line.quantity
        for warehouse in chosen:
            taken = min(missing, max(0, available.get((warehouse, line.sku), 0)))
            if taken:
                plan[warehouse, line.sku] = taken
                missing -= taken
        if missing:
            return None
    return plan


def _first_expired(lots: Sequence[Lot], quantity: int) -> list[Allocation]:
    """Take pieces by best-before date, the earliest first; lots without a date come last (期限順)."""
    picks: list[Allocation] = []
    for lot in sorted(lots, key=lambda lot: (lot.best_before or date.max, lot.lot)):
        taken = min(quantity, lot.free)
        if taken:
            picks.append(Allocation(lot.warehouse, lot.sku, lot.lot, taken))
            quantity -= taken
    return picks
