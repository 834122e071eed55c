"""Arms: the ways of searching that are compared on the same queries."""

from __future__ import annotations

from dataclasses import dataclass

from shirabe.errors import InvalidInput
from shirabe.types import Mode, Rerank


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of searching."""

    name: str
    mode: Mode
    rerank: Rerank


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("lexical", "lexical", "none"),
        Arm("dense", "dense", "none"),
        Arm("sparse", "sparse", "none"),
        Arm("rrf", "hybrid", "none"),
        Arm("late", "hybrid", "late"),
        Arm("cross", "hybrid", "cross"),
        Arm("auto", "hybrid", "auto"),
    )
}
DEFAULT_ARMS = ("lexical", "dense", "sparse", "rrf", "auto")


def arms_named(names: tuple[str, ...]) -> list[Arm]:
    """Return the named arms, or the default ones. Raises: InvalidInput."""
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        raise InvalidInput(f"unknown arm {unknown[0]!r}; known: {', '.join(ARMS)}", "--arm")
    return [ARMS[name] for name in names or DEFAULT_ARMS]
