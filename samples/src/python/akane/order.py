"""The order and its status (REQ-ORD-001 to REQ-ORD-022)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from akane.errors import InvalidOrder, WrongStatus

MAX_LINES = 200
MAX_QUANTITY = 999


class OrderStatus(StrEnum):
    """Where an order stands; the Japanese names are those of the screens."""

    RECEIVED = "RECEIVED"  # 受付済
    CREDIT_HOLD = "CREDIT_HOLD"  # 与信保留
    CONFIRMED = "CONFIRMED"  # 確定
    BACKORDERED = "BACKORDERED"  # 入荷待ち
    ALLOCATED = "ALLOCATED"  # 引当済
    PICKING = "PICKING"  # 出荷作業中
    SHIPPED = "SHIPPED"  # 出荷済
    DELIVERED = "DELIVERED"  # 配達完了
    CANCELLED = "CANCELLED"  # 取消済
    RETURNED = "RETURNED"  # 返品完了


_S = OrderStatus
TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = MappingProxyType(
    {
        _S.RECEIVED: frozenset({_S.CONFIRMED, _S.CREDIT_HOLD, _S.CANCELLED}),
        _S.CREDIT_HOLD: frozenset({_S.CONFIRMED, _S.CANCELLED}),
        _S.CONFIRMED: frozenset({_S.ALLOCATED, _S.BACKORDERED, _S.CANCELLED}),
        _S.BACKORDERED: frozenset({_S.ALLOCATED, _S.CANCELLED}),
        _S.ALLOCATED: frozenset({_S.PICKING, _S.CANCELLED}),
        _S.PICKING: frozenset({_S.SHIPPED}),
        _S.SHIPPED: frozenset({_S.DELIVERED, _S.RETURNED}),
        _S.DELIVERED: frozenset({_S.RETURNED}),
        _S.CANCELLED: frozenset(),
        _S.RETURNED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order; `unit_price` in yen without tax, as it was on acceptance."""

    sku: str
    quantity: int
    unit_price: int
    reduced_tax: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """A sales order. `version` grows with every change of status."""

    order_id: str
    customer_id: str
    lines: tuple[OrderLine, ...]
    allow_backorder: bool = False
    status: OrderStatus = OrderStatus.RECEIVED
    hold_reason: str | None = None
    version: int = 1

    @property
    def cancellable(self) -> bool:
        """Tell whether the order can still be cancelled: only before shipping work begins."""
        return OrderStatus.CANCELLED in TRANSITIONS[self.status]

    def move_to(self, status: OrderStatus, hold_reason: str | None = None) -> Order:
        """Return the order in another status.

        Raises: WrongStatus (E1030) when the table of transitions does not allow it.
        """
        if status not in TRANSITIONS[self.status]:
            raise WrongStatus(f"{self.order_id}: {self.status} -> {status} is not allowed")
        return replace(self, status=status, hold_reason=hold_reason, version=self.version + 1)


def merge_lines(lines: Iterable[OrderLine]) -> tuple[OrderLine, ...]:
    """Merge lines of the same SKU and check the rules of acceptance, in the order of the specification.

    Raises: InvalidOrder with E1001 (no lines), E1002 (quantity) or E1005 (too many lines).
    """
    given = list(lines)
    if not given:
        raise InvalidOrder("an order needs at least one line", "E1001")
    merged: dict[str, OrderLine] = {}
    for line in given:
        before = merged.get(line.sku)
        total = line.quantity + (before.quantity if before else 0)
        if line.quantity < 1 or total > MAX_QUANTITY:
            raise InvalidOrder(f"{line.sku}: the quantity must be 1 to {MAX_QUANTITY}, got {total}", "E1002")
        merged[line.sku] = replace(line, quantity=total)
    if len(given) > MAX_LINES:
        raise InvalidOrder(f"an order has at most {MAX_LINES} lines, got {len(given)}", "E1005")
    return tuple(merged.values())
