"""What keeps vectors of one model out of an index made for another: the last pipeline of every index of the template.

Each model has a guard of its own, which the indexes made for it name for good. While the pipelines write vectors of
that model it lets everything pass; from the moment they write those of another it refuses every vector, whichever
pipeline made it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from opensearch.plugin.marks import PREFIX, described, digest
from opensearch.plugin.served import ServedModels
from opensearch.plugin.shelves import INGEST_PIPELINE, Found, Thing

_GUARDS: Final = f"{PREFIX}model-"
_VECTORS: Final = ("dense", "sparse", "chunk_dense", "chunk_sparse")
_HAS_VECTORS: Final = " || ".join(f"ctx.{name} != null" for name in _VECTORS)


def guard_name(served: ServedModels) -> str:
    """Return the name of a model's guard."""
    return f"{_GUARDS}{digest([served.name, served.revision, served.dim])}"


def guard(served: ServedModels) -> Thing:
    """Return the guard of the model that is served: it has nothing to refuse."""
    what = f"for vectors of {served.name} at revision {served.revision}"
    return Thing(INGEST_PIPELINE, guard_name(served), {"description": described(what), "processors": []})


def closed_guards(found: Iterable[Found], served: ServedModels) -> list[Thing]:
    """Return the guards of all other models that were ever served here, closed."""
    return [
        Thing(INGEST_PIPELINE, one.name, {"description": one.description, "processors": [_refusal(one, served)]})
        for one in found
        if one.ours and one.name.startswith(_GUARDS) and one.name != guard_name(served)
    ]


def _refusal(found: Found, served: ServedModels) -> dict[str, Any]:
    made_for = found.description.partition(": ")[2]
    message = (
        f"this index is {made_for}; the pipelines now write those of {served.name} at revision {served.revision}: "
        "reindex it into a new index"
    )
    return {"fail": {"if": _HAS_VECTORS, "message": message}}
