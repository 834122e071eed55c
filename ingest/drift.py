"""How the index differs from a source: three lists of documents. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.ledger_rows import Entry
from shirabe.types import Drift


def compare(
    source_id: str,
    revision: str,
    wanted: Mapping[str, str],
    entries: Mapping[str, Entry],
    known: Mapping[str, tuple[str, str]],
    stored: Mapping[str, str],
) -> Drift:
    """Return the drift between `wanted` (path to content hash, from the source) and the index.

    `entries` and `known` (chunk id to path and content hash) are the ledger's, `stored` (chunk id to content hash) is
    what the index holds. A chunk that nobody knows is extra under its document's id.
    """
    held = {path for chunk_id, (path, _) in known.items() if chunk_id in stored}
    lost = {path for chunk_id, (path, _) in known.items() if chunk_id not in stored}
    altered = {path for chunk_id, (path, content) in known.items() if stored.get(chunk_id, content) != content}
    missing = {path for path in wanted if path not in entries or path in lost - held}
    outdated = {
        path
        for path in wanted.keys() - missing
        if entries[path].pending or entries[path].content_hash != wanted[path] or path in lost | altered
    }
    strays = {f"document {chunk_id.rpartition('-')[0]}" for chunk_id in stored.keys() - known.keys()}
    strays -= {f"document {entry.doc_id}" for entry in entries.values() if entry.pending}
    extra = (*sorted(entries.keys() - wanted.keys()), *sorted(strays))
    return Drift(source_id, revision, len(entries), tuple(sorted(missing)), extra, tuple(sorted(outdated)))
