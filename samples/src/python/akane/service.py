"""The order service: accept, confirm, allocate, cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Protocol

from akane.allocation import Allocation, Lot, allocate_inventory
from akane.errors import CreditUnavailable, OutOfStock, WrongStatus
from akane.order import Order, OrderLine, OrderStatus, merge_lines
from akane.pricing import total_with_tax


class CreditService(Protocol):
    """Asks what a customer may still buy on account."""

    def available(self, customer_id: str) -> int:
        """Return the available credit in yen (与信可能額). Raises: CreditUnavailable."""


class OrderService:
    """Takes orders through their life; production keeps them in PostgreSQL instead of a dict."""

    def __init__(self, credit: CreditService, publish: Callable[[str, str], None], today: Callable[[], date]) -> None:
        self._credit = credit
        self._publish = publish
        self._today = today
        self._orders: dict[str, Order] = {}
        self._allocations: dict[str, list[Allocation]] = {}
        self._serials: dict[date, int] = {}

    def get(self, order_id: str) -> Order:
        """Return an order. Raises: KeyError."""
        return self._orders[order_id]

    def place_order(self, customer_id: str, lines: Iterable[OrderLine], *, allow_backorder: bool = False) -> Order:
        """Accept an order and check credit; too little credit holds the order, it never refuses it (REQ-CRD-011).

        Raises: InvalidOrder.
        """
        merged = merge_lines(lines)
        order = Order(self._next_order_id(), customer_id, merged, allow_backorder)
        self._publish("order.created", order.order_id)
        try:
            enough = total_with_tax(merged) <= self._credit.available(customer_id)
            reason = None if enough else "E1020"
        except CreditUnavailable as error:
            reason = error.code
        if reason is None:
            return self._keep(order.move_to(OrderStatus.CONFIRMED), "order.confirmed")
        return self._keep(order.move_to(OrderStatus.CREDIT_HOLD, reason), "order.held")

    def release_credit_hold(self, order_id: str) -> Order:
        """Confirm a held order (与信保留の解除). Raises: WrongStatus."""
        return self._keep(self.get(order_id).move_to(OrderStatus.CONFIRMED), "order.confirmed")

    def allocate(self, order_id: str, lots: Iterable[Lot], warehouses: Sequence[str], deliver_on: date) -> Order:
        """Secure stock for a confirmed order, or backorder it as a whole.

        Raises: OutOfStock (E1024) when backorders are not allowed, WrongStatus, WarehousesSuspended.
        """
        order = self.get(order_id)
        allocated = order.move_to(OrderStatus.ALLOCATED)
        try:
            chosen = allocate_inventory(order.lines, lots, warehouses, deliver_on)
        except OutOfStock:
            if not order.allow_backorder:
                raise
            if order.status is OrderStatus.BACKORDERED:
                return order
            return self._keep(order.move_to(OrderStatus.BACKORDERED), "order.backordered")
        self._allocations[order_id] = chosen
        return self._keep(allocated, None)

    def cancel_order(self, order_id: str) -> Order:
        """Cancel an order and release its stock (取消).

        Raises: WrongStatus with E1032 when it is cancelled already, with E1031 once shipping work has begun.
        """
        order = self.get(order_id)
        if order.status is OrderStatus.CANCELLED:
            raise WrongStatus(f"{order_id} is cancelled already", "E1032")
        if not order.cancellable:
            raise WrongStatus(f"{order_id} is {order.status}: shipping work has begun, make a return instead", "E1031")
        self._allocations.pop(order_id, None)
        return self._keep(order.move_to(OrderStatus.CANCELLED), "order.cancelled")

    def start_picking(self, order_id: str) -> Order:
        """Record that the warehouse began to work. Raises: WrongStatus."""
        return self._keep(self.get(order_id).move_to(OrderStatus.PICKING), None)

    def _keep(self, order: Order, event: str | None) -> Order:
        self._orders[order.order_id] = order
        if event is not None:
            self._publish(event, order.order_id)
        return order

    def _next_order_id(self) -> str:
        day = self._today()
        self._serials[day] = self._serials.get(day, 0) + 1
        return f"ORD-{day:%Y%m%d}-{self._serials[day]:06d}"
