"""The words of Shirabe: frozen values, one type per stage of the two flows.

write: Document -> Chunk -> Embedding -> Record;  read: Query -> Candidate -> Hit.
"""

from shirabe.types.document import (
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
    Rerank,
    SearchResult,
)
from shirabe.types.source import (
    Change,
    Cursor,
    Delete,
    Drift,
    Failure,
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
    Stored,
)

__all__ = [
    "ALL_OUTPUTS",
    "Acl",
    "Bytes",
    "Change",
    "Chunk",
    "Cursor",
    "Delete",
    "Document",
    "Drift",
    "Embedding",
    "Failure",
    "Floats",
    "Halves",
    "Hit",
    "LegHit",
    "Mode",
    "ModelInfo",
    "Output",
    "Principal",
    "Query",
    "Record",
    "Rerank",
    "SearchResult",
    "Skip",
    "Source",
    "SourceKind",
    "SourceStatus",
    "Stored",
    "SyncReport",
    "TextKind",
    "Upsert",
    "chunk_id",
    "digest",
    "document_id",
    "make_chunk",
]
