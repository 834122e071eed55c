"""Prices: consumption tax, shipping fee and points, in whole yen."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from akane.order import OrderLine

STANDARD_RATE = 10
REDUCED_RATE = 8
FREE_SHIPPING_FROM = 11_000
NEVER_FREE = frozenset({"okinawa", "islands"})


@dataclass(frozen=True, slots=True)
class Fee:
    """Shipping fee of a zone and size; `amount` is None where we do not deliver (E1051)."""

    amount: int | None
    chilled: int
    frozen: int


def consumption_tax(lines: Iterable[OrderLine]) -> Mapping[int, int]:
    """Return tax per rate in percent, rounded down once per rate and never per line (REQ-BIL-010)."""
    taxable: dict[int, int] = {}
    for line in lines:
        rate = REDUCED_RATE if line.reduced_tax else STANDARD_RATE
        taxable[rate] = taxable.get(rate, 0) + line.quantity * line.unit_price
    return {rate: amount * rate // 100 for rate, amount in sorted(taxable.items())}


def total_with_tax(lines: Iterable[OrderLine]) -> int:
    """Return the sum of the lines with tax."""
    given = tuple(lines)
    return sum(line.quantity * line.unit_price for line in given) + sum(consumption_tax(given).values())


def read_fees(path: Path) -> Mapping[tuple[str, int], Fee]:
    """Read shipping_fees.csv: (zone, size) to fee."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["zone"], int(row["size"])): Fee(
                None if row["fee_yen"] == "NA" else int(row["fee_yen"]),
                int(row["chilled_extra_yen"]),
                int(row["frozen_extra_yen"]),
            )
            for row in csv.DictReader(file)
        }


def shipping_fee(fee: Fee, zone: str, goods_with_tax: int, *, chilled: bool = False) -> int:
    """Return the fee of a shipment; the chilled extra is due even when shipping is free (REQ-SHP-022).

    Raises: ValueError when the zone is not served (E1051).
    """
    if fee.amount is None:
        raise ValueError(f"E1051: no delivery to {zone}")
    free = goods_with_tax >= FREE_SHIPPING_FROM and zone not in NEVER_FREE
    return (0 if free else fee.amount) + (fee.chilled if chilled else 0)


def points_to_grant(lines: Iterable[OrderLine], points_used: int) -> int:
    """Return the points granted after delivery: 1 % of the goods without tax, less what points paid for."""
    net = sum(line.quantity * line.unit_price for line in lines)
    return max(0, net - points_used) // 100
