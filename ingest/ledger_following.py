"""One scope of the ledger against another of the same source: what it lacks, and taking over what it then has."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ingest.ledger import COMPARED, Ledger
from ingest.ledger_rows import Behind, Held

_CHANGED = """
SELECT path FROM documents AS there WHERE scope = ?1 AND pending = 0 {only} AND NOT EXISTS (
    SELECT 1 FROM documents AS here WHERE here.scope = ?2 AND here.path = there.path AND here.pending = 0
    AND here.content_hash = there.content_hash AND here.facts = there.facts)
"""
_OTHER_CHUNKS = """
SELECT path FROM (SELECT path, chunk_id, content_hash FROM chunks WHERE scope = ?{0} {only}
                  EXCEPT SELECT path, chunk_id, content_hash FROM chunks WHERE scope = ?{1} {only})
WHERE path IN (SELECT path FROM documents WHERE scope = ?1 AND pending = 0)
"""
_GONE = """
SELECT path FROM documents WHERE scope = ?2 {only}
AND path NOT IN (SELECT path FROM documents WHERE scope = ?1)
"""
_UNSURE = """
SELECT path FROM documents WHERE scope = ?1 AND pending = 1 {only}
AND path NOT IN (SELECT path FROM documents WHERE scope = ?2 AND pending = 1)
"""
_TAKE_FAILURES = """
INSERT OR REPLACE INTO failures
SELECT ?2, path, reason, revision, '', retry FROM failures WHERE scope = ?1
"""
_TAKE_COMPARISON = """
INSERT INTO runs (scope, started, finished, outcome) SELECT ?2, started, finished, outcome FROM runs
WHERE scope = ?1 AND outcome = ?3 AND finished > coalesce(
    (SELECT max(finished) FROM runs WHERE scope = ?2 AND outcome = ?3), 0)
ORDER BY finished DESC LIMIT 1
"""

_MIRRORED = {
    "documents": "path, doc_id, content_hash, revision, stamp, pending, facts",
    "chunks": "path, chunk_id, content_hash",
    "intents": "path, chunk_id",
    "ahead": "path",
    "failures": "path, reason, revision, fingerprint, retry",
}


def sources_of(ledger: Ledger, index_id: str) -> list[str]:
    """Return the names of everything indexed in an index, pushed documents included."""
    rows = ledger.rows("SELECT source_id FROM scopes WHERE index_id = ? ORDER BY source_id", index_id)
    return [name for (name,) in rows]


def behind(ledger: Ledger, there: int, here: int, *, chunks: bool, path: str | None = None) -> Behind:
    """Return how scope `here` differs from scope `there`, or at one path of them.

    With `chunks` also where only a document's chunks do.
    """
    only, values = ("", ()) if path is None else ("AND path = ?3", (path,))

    def paths(statement: str, *order: int) -> set[str]:
        asked = statement.format(*order, only=only)
        return {found for (found,) in ledger.rows(asked, there, here, *values)}

    changed = paths(_CHANGED)
    if chunks:
        changed |= paths(_OTHER_CHUNKS, 1, 2) | paths(_OTHER_CHUNKS, 2, 1)
    return Behind(*(tuple(sorted(group)) for group in (changed, paths(_GONE), paths(_UNSURE))))


def held_of(ledger: Ledger, scope: int, paths: Iterable[str]) -> list[Held]:
    """Return the settled documents among these paths, with the chunks they have."""
    found: list[Held] = []
    for path in paths:
        rows = ledger.rows(
            "SELECT doc_id, content_hash, revision, facts FROM documents WHERE scope = ? AND path = ? AND pending = 0",
            *(scope, path),
        )
        chunks = ledger.rows(
            "SELECT chunk_id, content_hash FROM chunks WHERE scope = ? AND path = ? ORDER BY chunk_id", scope, path
        )
        found += [
            Held(path, doc_id, content, revision, facts, dict(chunks)) for doc_id, content, revision, facts in rows
        ]
    return found


def doc_ids(ledger: Ledger, scope: int, paths: Collection[str]) -> dict[str, str]:
    """Return path -> document id of these paths, settled or not."""
    rows = ledger.rows("SELECT path, doc_id FROM documents WHERE scope = ?", scope)
    return {path: doc_id for path, doc_id in rows if path in paths}


def take_over(ledger: Ledger, there: int, here: int) -> None:
    """Have `here` know the failures that `there` knows, and when everything was last compared with the source.

    A failure that is known by a fingerprint there is known by none here: whoever meets the document tries it again.
    """
    with ledger.transaction() as connection:
        connection.execute(
            "DELETE FROM failures WHERE scope = ?2 AND path NOT IN (SELECT path FROM failures WHERE scope = ?1)",
            (there, here),
        )
        connection.execute(_TAKE_FAILURES, (there, here))
        connection.execute(_TAKE_COMPARISON, (there, here, COMPARED))


def mirror(ledger: Ledger, there: int, here: int) -> None:
    """Have scope `here` know exactly what `there` knows, in place of what it knew."""
    with ledger.transaction() as connection:
        for table, columns in _MIRRORED.items():
            connection.execute(f"DELETE FROM {table} WHERE scope = ?", (here,))  # noqa: S608 (names from above)
            connection.execute(
                f"INSERT INTO {table} (scope, {columns}) SELECT ?2, {columns} FROM {table} WHERE scope = ?1",  # noqa: S608
                (there, here),
            )
        connection.execute(
            "UPDATE scopes SET (cursor, stamp) = (SELECT cursor, stamp FROM scopes WHERE scope = ?1),"
            " version = max(version, (SELECT version FROM scopes WHERE scope = ?1)) WHERE scope = ?2",
            (there, here),
        )
