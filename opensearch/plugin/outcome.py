"""What became of one thing, as it is told while it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opensearch.plugin.calls import Call, masked

Done = Literal["made", "changed", "unchanged", "removed", "kept", "left"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`kept`: ours, superseded, still there for indexes that were built with it. `left`: not ours to touch."""

    done: Done
    kind: str
    name: str
    note: str = ""
    calls: tuple[Call, ...] = ()

    def plain(self) -> Mapping[str, Any]:
        """Return it for programs, without secrets."""
        sent = [{"method": call.method, "path": call.path, "body": masked(call.body)} for call in self.calls]
        return {"done": self.done, "kind": self.kind, "name": self.name, "note": self.note, "calls": sent}


Tell = Callable[[Outcome], None]
