"""What was indexed: sources, cursors, documents and chunks, written ahead of the index and settled after it.

Before chunks are written their ids are an intent; once the index acknowledged the whole document the intent is
settled. Whatever ends a run in between, the next one knows every id that may be in the index.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.ledger_rows import Entry, Failed, Scope, Settled, Standing
from ingest.ledger_schema import open_ledger
from shirabe.errors import Unavailable
from shirabe.types import Acl, Failure, Source

SUCCESS = "success"
COMPARED = "compared"
"""The outcome of a run that succeeded, and of one that also read everything."""
_KEPT_RUNS = 100


class Ledger:
    """The ledger of one state directory. Methods block for milliseconds and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._connection = open_ledger(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def put_source(self, source: Source) -> None:
        """Configure a source, in place of one of the same name."""
        acl = json.dumps({"public": source.acl.public, "principals": source.acl.principals})
        options = json.dumps(dict(source.options), sort_keys=True)
        row = (source.source_id, source.kind, source.location, acl, options, source.poll_s, source.declared)
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def sources(self) -> list[Source]:
        """Return every configured source, by name."""
        rows = self.rows(
            "SELECT source_id, kind, location, acl, options, poll_s, declared FROM sources ORDER BY source_id"
        )
        return [
            Source(name, kind, location, _acl(acl), json.loads(options), poll_s, bool(declared))
            for name, kind, location, acl, options, poll_s, declared in rows
        ]

    def scope(self, source_id: str, index_id: str) -> Scope:
        """Return what is known of a source in an index, made when new."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO scopes (source_id, index_id) VALUES (?, ?)", (source_id, index_id)
            )
            row = connection.execute(
                "SELECT scope, cursor, stamp FROM scopes WHERE source_id = ? AND index_id = ?", (source_id, index_id)
            ).fetchone()
        return Scope(*row)

    def begin_run(self, scope: int) -> tuple[int, int]:
        """Return a new run's number and its write version, greater than that of every run before."""
        now_s = time.time()
        with self.transaction() as connection:
            (version,) = connection.execute(
                "UPDATE scopes SET version = max(version + 1, ?) WHERE scope = ? RETURNING version",
                (int(now_s * 1000), scope),
            ).fetchone()
            (run,) = connection.execute(
                "INSERT INTO runs (scope, started, outcome) VALUES (?, ?, 'running') RETURNING run", (scope, now_s)
            ).fetchone()
            connection.execute(
                "DELETE FROM runs WHERE scope = ?1 AND run NOT IN"
                " (SELECT run FROM runs WHERE scope = ?1 ORDER BY run DESC LIMIT ?2)"
                " AND run IS NOT (SELECT max(run) FROM runs WHERE scope = ?1 AND outcome = ?3)",
                (scope, _KEPT_RUNS, COMPARED),
            )
        return run, version

    def end_run(self, run: int, outcome: str) -> None:
        """Record how a run ended when it did not succeed."""
        with self.transaction() as connection:
            connection.execute("UPDATE runs SET finished = ?, outcome = ? WHERE run = ?", (time.time(), outcome, run))

    def succeed(self, run: int, scope: int, cursor: str | None, stamp: str, *, compared: bool) -> None:
        """Move the cursor and record the run's success, both or neither; `compared`: it read everything."""
        with self.transaction() as connection:
            connection.execute("UPDATE scopes SET cursor = ?, stamp = ? WHERE scope = ?", (cursor, stamp, scope))
            connection.execute("DELETE FROM ahead WHERE scope = ?", (scope,))
            outcome = COMPARED if compared else SUCCESS
            connection.execute("UPDATE runs SET finished = ?, outcome = ? WHERE run = ?", (time.time(), outcome, run))

    def outdate(self, scope: int) -> None:
        """Make every document of a scope one that is to be written again, before a full run."""
        with self.transaction() as connection:
            connection.execute("UPDATE scopes SET stamp = '' WHERE scope = ?", (scope,))
            connection.execute("UPDATE documents SET stamp = '' WHERE scope = ?", (scope,))
            _retry(connection, scope)

    def entries(self, scope: int) -> dict[str, Entry]:
        """Return every document of a scope by path."""
        rows = self.rows("SELECT path, doc_id, content_hash, stamp, pending FROM documents WHERE scope = ?", scope)
        return {path: Entry(doc_id, content, stamp, bool(pending)) for path, doc_id, content, stamp, pending in rows}

    def owners(self, doc_id: str, index_id: str) -> list[tuple[str, str]]:
        """Return the (source name, path) under which a document is indexed."""
        return self.rows(
            "SELECT source_id, path FROM documents JOIN scopes USING (scope) WHERE doc_id = ? AND index_id = ?",
            doc_id,
            index_id,
        )

    def chunk_ids(self, scope: int, path: str) -> set[str]:
        """Return every chunk id of a document that may be in the index, settled or intended."""
        rows = self.rows(
            "SELECT chunk_id FROM chunks WHERE scope = ? AND path = ?"
            " UNION SELECT chunk_id FROM intents WHERE scope = ? AND path = ?",
            scope,
            path,
            scope,
            path,
        )
        return {chunk_id for (chunk_id,) in rows}

    def chunks(self, scope: int) -> dict[str, tuple[str, str]]:
        """Return chunk id -> (path, content hash) of everything settled."""
        rows = self.rows("SELECT chunk_id, path, content_hash FROM chunks WHERE scope = ?", scope)
        return {chunk_id: (path, content_hash) for chunk_id, path, content_hash in rows}

    def intended(self, scope: int) -> set[str]:
        """Return the chunk ids of writes begun and not settled."""
        return {chunk_id for (chunk_id,) in self.rows("SELECT chunk_id FROM intents WHERE scope = ?", scope)}

    def ahead(self, scope: int) -> set[str]:
        """Return the paths that were settled since the cursor, by runs that did not come to their end."""
        return {path for (path,) in self.rows("SELECT path FROM ahead WHERE scope = ?", scope)}

    def failures(self, scope: int) -> dict[str, Failed]:
        """Return every failing document of a scope by path."""
        rows = self.rows("SELECT path, reason, revision, fingerprint, retry FROM failures WHERE scope = ?", scope)
        return {path: Failed(path, reason, at, mark, bool(retry)) for path, reason, at, mark, retry in rows}

    def intend(self, scope: int, writes: Iterable[tuple[str, str, Sequence[str]]]) -> None:
        """Record (path, doc_id, chunk ids about to be written or deleted), before the index is touched."""
        with self.transaction() as connection:
            for path, doc_id, chunk_ids in writes:
                connection.execute(
                    "INSERT INTO documents VALUES (?, ?, ?, '', '', '', 1, '')"
                    " ON CONFLICT (scope, path) DO UPDATE SET pending = 1",
                    (scope, path, doc_id),
                )
                connection.executemany(
                    "INSERT OR IGNORE INTO intents VALUES (?, ?, ?)", [(scope, path, item) for item in chunk_ids]
                )

    def settle(self, scope: int, documents: Sequence[Settled], gone: Sequence[str], failed: Sequence[Failed]) -> None:
        """Record documents that the index acknowledged, paths that are out of it, and ones that were refused."""
        with self.transaction() as connection:
            paths = (*(each.path for each in documents), *gone, *(each.path for each in failed))
            connection.executemany("INSERT OR IGNORE INTO ahead VALUES (?, ?)", [(scope, path) for path in paths])
            for document in documents:
                _clear(connection, scope, document.path)
                connection.execute(
                    "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
                    (
                        *(scope, document.path, document.doc_id, document.content_hash),
                        *(document.revision, document.stamp, document.facts),
                    ),
                )
                connection.executemany(
                    "INSERT INTO chunks VALUES (?, ?, ?, ?)",
                    [(scope, document.path, chunk_id, content) for chunk_id, content in document.chunks.items()],
                )
            for path in gone:
                _clear(connection, scope, path)
            for item in failed:
                connection.execute(
                    "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)",
                    (scope, item.path, item.reason, item.revision, item.fingerprint, item.retry),
                )

    def retry(self, scope: int) -> None:
        """Have the failures of a scope tried again by the next run."""
        with self.transaction() as connection:
            _retry(connection, scope)

    def add_totals(self, scope: int, counts: Mapping[str, int]) -> None:
        """Add what a run did to what all runs of a scope did together; a scope that it forgot has no totals."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT INTO totals SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM scopes WHERE scope = ?1)"
                " ON CONFLICT (scope, name) DO UPDATE SET value = value + excluded.value",
                [(scope, name, count) for name, count in counts.items() if count],
            )

    def totals(self, scope: int) -> dict[str, int]:
        """Return what all runs of a scope did together, by name."""
        return dict(self.rows("SELECT name, value FROM totals WHERE scope = ?", scope))

    def standing(self, scope: int) -> Standing:
        """Return the counts, failures and last success of a scope."""
        ((documents,),) = self.rows("SELECT count(*) FROM documents WHERE scope = ?", scope)
        ((chunks,),) = self.rows("SELECT count(*) FROM chunks WHERE scope = ?", scope)
        last = self._last(scope, SUCCESS, COMPARED)
        failures = tuple(
            Failure(item.path, item.reason, item.revision)
            for item in sorted(self.failures(scope).values(), key=lambda item: item.path)
        )
        return Standing(documents, chunks, failures, last, self.totals(scope))

    def compared(self, scope: int) -> datetime | None:
        """Return when everything was last compared with the source."""
        return self._last(scope, COMPARED)

    def forget_scopes(self, *, source_id: str = "", index_id: str = "") -> None:
        """Forget what was indexed of a source, of an index, or of a source in an index."""
        if not source_id and not index_id:
            raise ValueError("name a source or an index")
        with self.transaction() as connection:
            rows = connection.execute(
                "SELECT scope FROM scopes WHERE (?1 = '' OR source_id = ?1) AND (?2 = '' OR index_id = ?2)",
                (source_id, index_id),
            ).fetchall()
            for table in ("documents", "chunks", "intents", "ahead", "failures", "runs", "totals", "scopes"):
                connection.executemany(f"DELETE FROM {table} WHERE scope = ?", rows)  # noqa: S608 (names from the line above)

    def remove_source(self, source_id: str) -> None:
        """Forget a source's configuration."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM sources WHERE source_id = ?", (source_id,))

    def _last(self, scope: int, *outcomes: str) -> datetime | None:
        marks = ", ".join("?" * len(outcomes))
        ((last,),) = self.rows(
            f"SELECT max(finished) FROM runs WHERE scope = ? AND outcome IN ({marks})",  # noqa: S608 (marks only)
            scope,
            *outcomes,
        )
        return None if last is None else datetime.fromtimestamp(last, UTC)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a statement selects."""
        with self._lock, _known_errors():
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection in a transaction: all that is done in it is kept, or nothing."""
        with self._lock, _known_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _retry(connection: sqlite3.Connection, scope: int) -> None:
    connection.execute("UPDATE failures SET retry = 1 WHERE scope = ?", (scope,))


def _clear(connection: sqlite3.Connection, scope: int, path: str) -> None:
    for table in ("documents", "chunks", "intents", "failures"):
        connection.execute(f"DELETE FROM {table} WHERE scope = ? AND path = ?", (scope, path))  # noqa: S608 (the same)


def _acl(text: str) -> Acl:
    value = json.loads(text)
    return Acl(public=value["public"], principals=tuple(value["principals"]))


@contextlib.contextmanager
def _known_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"the ledger does not answer: {error}") from None
