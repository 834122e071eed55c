"""The words of Shirabe: frozen values, one type per stage of the two flows.

write: Document -> Chunk -> Embedding -> Record;  read: Query -> Candidate -> Hit.
"""

from shirabe.types.activity import (
    Activity,
    LoggedEvent,
    LoggedSearch,
    LoggedSync,
)
from shirabe.types.document import (
    ABOVE,
    Acl,
    Chunk,
    Document,
    Principal,
    chunk_id,
    digest,
    document_id,
    make_chunk,
)
from shirabe.types.embedding import (
    ALL_OUTPUTS,
    Bytes,
    Embedding,
    Floats,
    Halves,
    ModelInfo,
    Output,
    TextKind,
)
from shirabe.types.search import (
    Hit,
    Mode,
    Query,
    Recognised,
    Rerank,
    SearchResult,
)
from shirabe.types.source import (
    Change,
    Cursor,
    Declared,
    Delete,
    Drift,
    Failure,
    Preview,
    Skip,
    Source,
    SourceKind,
    SourceStatus,
    SyncReport,
    Upsert,
)
from shirabe.types.stored import (
    LegHit,
    Record,
    Saved,
    Stored,
)
from shirabe.types.term import (
    Term,
)

__all__ = [
    "ABOVE",
    "ALL_OUTPUTS",
    "Acl",
    "Activity",
    "Bytes",
    "Change",
    "Chunk",
    "Cursor",
    "Declared",
    "Delete",
    "Document",
    "Drift",
    "Embedding",
    "Failure",
    "Floats",
    "Halves",
    "Hit",
    "LegHit",
    "LoggedEvent",
    "LoggedSearch",
    "LoggedSync",
    "Mode",
    "ModelInfo",
    "Output",
    "Preview",
    "Principal",
    "Query",
    "Recognised",
    "Record",
    "Rerank",
    "Saved",
    "SearchResult",
    "Skip",
    "Source",
    "SourceKind",
    "SourceStatus",
    "Stored",
    "SyncReport",
    "Term",
    "TextKind",
    "Upsert",
    "chunk_id",
    "digest",
    "document_id",
    "make_chunk",
]
