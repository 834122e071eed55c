"""Judged queries over paths, as judgments over what an index holds of those paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from opensearch.plugin.calls import Call
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.relevance import JudgedTexts, takes
from shirabe.errors import InvalidInput

_PATHS: Final = 100
_ROWS: Final = 10_000


async def judged_texts(cluster: Cluster, index: str, judged: Iterable[tuple[str, Sequence[str]]]) -> JudgedTexts:
    """Return judgments over an index for queries and the paths that answer them: a path is all that is held of it.

    Raises: InvalidInput when there is no such index, or it holds none of the paths; Forbidden, Unavailable, Timeout.
    """
    rows = list(judged)
    held = await _held(cluster, index, sorted({path for _, paths in rows for path in paths}))
    if not held:
        raise InvalidInput(f"{index} holds none of the documents that the judged queries name", "--judged")
    ratings: dict[str, tuple[str, ...]] = {}
    left_out = []
    for text, paths in rows:
        idents = tuple(dict.fromkeys(ident for path in paths for ident in held.get(path, ())))
        if takes(text) and idents:
            ratings[text] = idents
        else:
            left_out.append(text)
    return JudgedTexts(index, ratings, tuple(left_out))


async def compared_index(cluster: Cluster, name: str) -> str | None:
    """Return the index that a name or an alias stands for; None when there is none.

    From 3.8 on the workbench takes no alias.

    Raises: InvalidInput when there are several; Forbidden, Unavailable, Timeout.
    """
    found = sorted(await cluster.ask(Call("GET", f"/{name}/_mapping?ignore_unavailable=true")) or {})
    if len(found) > 1:
        raise InvalidInput(f"{name} stands for several indexes: {', '.join(found)}", "--judged-index")
    return found[0] if found else None


async def _held(cluster: Cluster, index: str, paths: Sequence[str]) -> Mapping[str, list[str]]:
    held: dict[str, list[str]] = {}
    for start in range(0, len(paths), _PATHS):
        some = paths[start : start + _PATHS]
        body: dict[str, Any] = {
            "query": {"bool": {"filter": [{"terms": {"path": some}}]}},
            "size": _ROWS,
            "_source": False,
            "docvalue_fields": ["path"],
            "sort": ["_doc"],
        }
        answer = await cluster.ask(Call("POST", f"/{index}/_search", body))
        if answer is None:
            raise InvalidInput(f"there is no index {index}", "--judged-index")
        for row in answer["hits"]["hits"]:
            held.setdefault(row["fields"]["path"][0], []).append(row["_id"])
    return held
