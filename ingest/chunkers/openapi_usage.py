"""Who uses a schema: the operations that take or give it, the schemas and messages that hold it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ingest.chunkers.openapi_document import ApiDocument, references
from ingest.chunkers.openapi_units import Named, Operation, mapping

_SHARED: Final = ("#/components/", "#/responses/", "#/parameters/", "#/channels/")
MAX_USES_KEPT: Final = 100
_MAX_SEARCHED: Final = 200
_MAX_TARGETS: Final = 1_000
_MAX_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Use:
    """One operation that uses a schema: its pointer, its name, and where: `request`, `response 200`."""

    pointer: str
    name: str
    roles: tuple[str, ...]


@dataclass(slots=True)
class Users:
    """The users of one schema: operations, and the schemas and messages that hold it; the first of each kind.

    `through` is the holder by which the operations use it (empty: they name it).
    """

    operations: list[Use] = field(default_factory=list)
    holders: list[Named] = field(default_factory=list)
    operation_count: int = 0
    holder_count: int = 0
    through: str = ""

    def add_operation(self, use: Use) -> None:
        """Note an operation."""
        self.operation_count += 1
        if len(self.operations) < MAX_USES_KEPT:
            self.operations.append(use)

    def add_holder(self, holder: Named) -> None:
        """Note a schema or a message."""
        self.holder_count += 1
        if len(self.holders) < MAX_USES_KEPT:
            self.holders.append(holder)


@dataclass(frozen=True, slots=True)
class User:
    """An operation as one who uses schemas: `parts` are what names them, each with its role."""

    pointer: str
    name: str
    parts: tuple[tuple[str, object], ...]


class Usage:
    """The uses of everything in a document that has a name of its own: schemas, messages."""

    def __init__(self, document: ApiDocument, named: Iterable[Named], operations: Iterable[User]) -> None:
        self._document = document
        self._named = {one.pointer: one for one in named}
        self._users = {pointer: Users() for pointer in self._named}
        self._direct: dict[str, tuple[str, ...]] = {}
        for one in self._named.values():
            for pointer in dict.fromkeys(self._named_in(one.node)):
                if pointer != one.pointer:
                    self._users[pointer].add_holder(one)
        for operation in operations:
            used: dict[str, list[str]] = {}
            for role, node in operation.parts:
                for pointer in dict.fromkeys(self._named_in(node)):
                    used.setdefault(pointer, []).append(role)
            for pointer, roles in used.items():
                self._users[pointer].add_operation(Use(operation.pointer, operation.name, tuple(roles)))

    def of(self, pointer: str) -> Users:
        """Return the users of the schema at a pointer; operations that none names directly come through its users."""
        users = self._users[pointer]
        if users.operations:
            return users
        waiting, seen = deque(users.holders), {pointer}
        while waiting and len(seen) < _MAX_SEARCHED:
            holder = waiting.popleft()
            if holder.pointer in seen:
                continue
            seen.add(holder.pointer)
            above = self._users[holder.pointer]
            if above.operations:
                count = above.operation_count
                return replace(users, operations=above.operations, operation_count=count, through=holder.name)
            waiting += above.holders
        return users

    def _named_in(self, node: object) -> Iterator[str]:
        """Yield what a node names, also through parameters, responses and the like."""
        waiting, seen = deque(_targets(node)), set[str]()
        while waiting and len(seen) < _MAX_TARGETS:
            target = waiting.popleft()
            if target in seen:
                continue
            seen.add(target)
            found = self._named_at(target[1:])
            if found is not None:
                yield found
            elif target.startswith(_SHARED):
                if target not in self._direct:
                    self._direct[target] = tuple(_targets(self._document.at(target)))
                waiting += self._direct[target]

    def _named_at(self, pointer: str) -> str | None:
        """Return the pointer of the named one that a pointer leads to or into."""
        keys = pointer.split("/")
        wholes = ("/".join(keys[:count]) for count in (3, 4, 5))
        return next((whole for whole in wholes if whole in self._named), None)


def _targets(node: object) -> Iterator[str]:
    for _, target in references(node):
        yield target


def user_of(operation: Operation) -> User:
    """Return an operation with the parts that name schemas; its callbacks are operations themselves."""
    node = operation.node
    request = [operation.item.get("parameters"), node.get("parameters"), node.get("requestBody")]
    responses = mapping(node.get("responses")).items()
    answers = tuple((f"response {status}", response) for status, response in responses)
    return User(operation.pointer, operation.name, (("request", request), *answers))


def links(document: ApiDocument, users: Users) -> dict[str, Any]:
    """Return the locators of the users of a schema or a message, for a chunk's `meta`."""
    pointers = [use.pointer for use in users.operations] + [holder.pointer for holder in users.holders]
    found = [document.locator(pointer) for pointer in dict.fromkeys(pointers)]
    return {"used_by": found} if found else {}


def used_by(users: Users) -> Iterator[str]:
    """Yield in words who uses a schema or a message."""
    if users.operations:
        through = f" through {users.through}" if users.through else ""
        named = [f"{use.name} ({', '.join(use.roles)})" for use in users.operations]
        yield f"Used by operations{through}: {_some(named, users.operation_count)}"
    dropped = users.holder_count - len(users.holders)
    for kind in ("schemas", "messages"):
        named = [holder.name for holder in users.holders if ("/messages/" in holder.pointer) == (kind == "messages")]
        if named:
            yield f"Used by {kind}: {_some(named, len(named) + dropped)}"


def _some(names: Sequence[str], count: int) -> str:
    shown = names[:_MAX_NAMED]
    return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")
