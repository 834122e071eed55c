"""The errors of Akane, by the codes of data/error_codes.xlsx."""

from __future__ import annotations


class AkaneError(Exception):
    """An error that reaches the caller: `code` is what the error code table lists."""

    code = "E1099"
    status = 500

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidOrder(AkaneError):
    """The order breaks a rule of acceptance (E1001 to E1005)."""

    code = "E1001"
    status = 400


class WrongStatus(AkaneError):
    """The transition is not allowed (E1030), or shipping work has begun (E1031), or it is cancelled already (E1032)."""

    code = "E1030"
    status = 409


class OutOfStock(AkaneError):
    """There is not enough stock and the order does not allow a backorder."""

    code = "E1024"
    status = 409


class AllocationConflict(AkaneError):
    """Somebody else changed the stock rows; trying again may work."""

    code = "E1025"
    status = 409


class WarehousesSuspended(AkaneError):
    """All candidate warehouses are suspended."""

    code = "E1027"
    status = 503


class KeyReused(AkaneError):
    """The idempotency key was used with another body."""

    code = "E1011"
    status = 409


class KeyInProgress(AkaneError):
    """The first request with this idempotency key is still running."""

    code = "E1012"
    status = 409


class CreditUnavailable(AkaneError):
    """The credit service did not answer in time; the order is held."""

    code = "E1021"
    status = 503
