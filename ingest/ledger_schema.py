"""The tables of the ledger, and how its file is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from shirabe.errors import Unavailable

SCHEMA_VERSION = 4
_BUSY_TIMEOUT_S = 30.0

_TABLES = """
CREATE TABLE sources (
    source_id TEXT PRIMARY KEY, kind TEXT NOT NULL, location TEXT NOT NULL, acl TEXT NOT NULL, options TEXT NOT NULL,
    poll_s REAL, declared INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
-- What is known of one source in one index: another index has its own scope, so generations keep their own cursors.
CREATE TABLE scopes (
    scope INTEGER PRIMARY KEY, source_id TEXT NOT NULL, index_id TEXT NOT NULL,
    cursor TEXT, stamp TEXT NOT NULL DEFAULT '', version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source_id, index_id)
) STRICT;
CREATE TABLE documents (
    scope INTEGER NOT NULL, path TEXT NOT NULL, doc_id TEXT NOT NULL, content_hash TEXT NOT NULL,
    revision TEXT NOT NULL, stamp TEXT NOT NULL, pending INTEGER NOT NULL, facts TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (scope, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_id ON documents (doc_id);
CREATE TABLE chunks (
    scope INTEGER NOT NULL, path TEXT NOT NULL, chunk_id TEXT NOT NULL, content_hash TEXT NOT NULL,
    PRIMARY KEY (scope, path, chunk_id)
) STRICT, WITHOUT ROWID;
-- Chunks about to be written: what a killed run may have left in the index.
CREATE TABLE intents (
    scope INTEGER NOT NULL, path TEXT NOT NULL, chunk_id TEXT NOT NULL,
    PRIMARY KEY (scope, path, chunk_id)
) STRICT, WITHOUT ROWID;
-- What was settled since the cursor: a run that is killed leaves it at a revision that no cursor names.
CREATE TABLE ahead (
    scope INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (scope, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE failures (
    scope INTEGER NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL, revision TEXT NOT NULL,
    fingerprint TEXT NOT NULL, retry INTEGER NOT NULL,
    PRIMARY KEY (scope, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, scope INTEGER NOT NULL, started REAL NOT NULL, finished REAL, outcome TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_scope ON runs (scope, finished);
-- What all runs did together, for the metrics: the runs themselves are forgotten in time.
CREATE TABLE totals (
    scope INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
"""

# What turns a file of the version before into one of this.
_STEPS = {
    1: (
        "ALTER TABLE sources ADD COLUMN poll_s REAL",
        "ALTER TABLE sources ADD COLUMN declared INTEGER NOT NULL DEFAULT 0",
        "CREATE TABLE totals (scope INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
        " PRIMARY KEY (scope, name)) STRICT, WITHOUT ROWID",
    ),
    # Part of the stamp, and told apart from it so that another generation can be stamped from the ledger alone.
    2: ("ALTER TABLE documents ADD COLUMN facts TEXT NOT NULL DEFAULT ''",),
    3: (
        "CREATE TABLE ahead (scope INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (scope, path))"
        " STRICT, WITHOUT ROWID",
    ),
}


def open_ledger(path: Path) -> sqlite3.Connection:
    """Open the ledger's file, made when missing; every transaction is on disk when it ends.

    Raises: Unavailable when the file is another version's or no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Locations may carry credentials; SQLite gives its side files the mode of this one.
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            statements = tuple(_TABLES.split(";\n"))
        else:
            statements = tuple(step for before in range(version, SCHEMA_VERSION) for step in _STEPS[before])
        for statement in statements:
            connection.execute(statement)
        if version < SCHEMA_VERSION:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        connection.close()
        raise Unavailable(f"the ledger at {path} cannot be opened: {error}") from None
    if version > SCHEMA_VERSION:
        connection.close()
        raise Unavailable(f"the ledger at {path} has version {version}, this Shirabe reads {SCHEMA_VERSION}")
    return connection
