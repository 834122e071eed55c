"""A record as the OpenSearch document it becomes, and back. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from opensearch.code_search import code_fields
from shirabe.errors import InvalidInput
from shirabe.names import name_key
from shirabe.types import Bytes, Chunk, Embedding, Record, Stored, Term
from shirabe.versions import version_key

MAX_FEATURES = 128
"""Sparse weights kept per chunk, the heaviest."""

LENGTH_EXPONENT = 0.25
"""Passage weights are divided by their sum to this power: a head not trained to weigh by length favours long ones."""

SMALLEST_FEATURE = 1.2e-38
"""`rank_features` takes normal positive floats only."""


def document_of(record: Record, *, exact: bool = True) -> dict[str, Any]:
    """Return the body to index for a record; absent parts of the embedding are left out.

    Without the fields for exact search unless `exact`: a generation that was made before them takes none.

    Raises: InvalidInput when a vector holds what is not a finite number.
    """
    document, chunk, embedding = record.document, record.chunk, record.embedding
    body: dict[str, Any] = {
        "chunk_id": chunk.chunk_id,
        "doc_id": chunk.doc_id,
        "source": document.source_id,
        "path": document.path,
        "uri": document.uri,
        "locator": chunk.locator,
        "revision": document.revision,
        "kind": chunk.kind,
        "lang": chunk.lang,
        "version_key": version_key(document.source_id, document.path),
        "content_hash": chunk.content_hash,
        "ordinal": chunk.ordinal,
        "updated_at": document.updated_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "title": document.title,
        "headings": list(chunk.headings),
        "context": chunk.context,
        "text": chunk.text,
        "acl": list(document.acl.principals),
        "public": document.acl.public,
        "meta": dict(chunk.meta),
    }
    if "term" in chunk.meta:
        keys = (name_key(name) for name in Term.of_meta(chunk.meta["term"]).names)
        body["term_names"] = sorted({key for key in keys if key})
    if exact:
        body.update(code_fields(chunk))
    body.update(_vectors(chunk.chunk_id, embedding))
    return body


def passage_weights(sparse: Mapping[int, float], most: int = MAX_FEATURES) -> dict[str, np.float32]:
    """Return the features to index: at `most` the heaviest, by the passage's whole weight, none at or below zero."""
    positive = {token: weight for token, weight in sparse.items() if weight > 0}
    scale = sum(positive.values()) ** LENGTH_EXPONENT
    if len(positive) > most:
        positive = dict(sorted(positive.items(), key=lambda item: (-item[1], item[0]))[:most])
    # What is positive may be too small, or nothing, in the engine's precision.
    kept = {str(token): weight / scale for token, weight in positive.items() if weight > SMALLEST_FEATURE * scale}
    return dict(zip(kept, np.array(list(kept.values()), np.float32), strict=True))


def stored_of(hit: Mapping[str, Any], dim: int) -> Stored:
    """Return a search hit as the chunk it holds; `dim` is the width of one token vector, in bits."""
    source = hit["_source"]
    return Stored(
        chunk=Chunk(
            chunk_id=source["chunk_id"],
            doc_id=source["doc_id"],
            ordinal=source["ordinal"],
            kind=source["kind"],
            text=source["text"],
            context=source["context"],
            locator=source["locator"],
            headings=tuple(source["headings"]),
            lang=source["lang"],
            content_hash=source["content_hash"],
            meta=source["meta"],
        ),
        source_id=source["source"],
        path=source["path"],
        uri=source["uri"],
        title=source["title"],
        revision=source["revision"],
        updated_at=datetime.fromisoformat(source["updated_at"]).astimezone(UTC),
        version_key=source["version_key"],
        bits=_bits(hit.get("fields", {}).get("late"), dim),
        highlights=_highlights(hit.get("highlight", {})),
    )


def _vectors(chunk_id: str, embedding: Embedding) -> dict[str, Any]:
    vectors: dict[str, Any] = {}
    if embedding.dense is not None:
        if not np.isfinite(embedding.dense).all():
            raise InvalidInput("the dense vector holds a value that is not finite", chunk_id)
        vectors["dense"] = embedding.dense
    if embedding.sparse is not None:
        features = passage_weights(embedding.sparse)
        if features:
            vectors["sparse"] = features
    if embedding.bits is not None and len(embedding.bits):
        vectors["late"] = base64.b64encode(np.ascontiguousarray(embedding.bits).tobytes()).decode("ascii")
    return vectors


def _bits(values: list[str] | None, dim: int) -> Bytes | None:
    if not values:
        return None
    # The engine gives doc values without their padding.
    flat = np.frombuffer(binascii.a2b_base64(values[0] + "=="), dtype=np.uint8)
    return flat.reshape(-1, dim // 8)


def _highlights(fields: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the fragments of the sub-field that marked most: one knows stems, another identifiers."""
    best = max(fields.values(), key=lambda fragments: sum(f.count("<em>") for f in fragments), default=[])
    return tuple(best)
