"""Stored text as what it was made of: enough to index it in another generation. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opensearch.documents import stored_of
from opensearch.mapping import SHOWN_FIELDS
from shirabe.types import Acl, Document, Saved

SAVED_FIELDS: Final = (*SHOWN_FIELDS, "acl", "public")


def saved_of(row: Mapping[str, Any], dim: int) -> Saved:
    """Return a row of the engine as the chunk it holds and its document, whose content is not stored."""
    stored = stored_of(row, dim)
    source = row["_source"]
    document = Document(
        doc_id=stored.chunk.doc_id,
        source_id=stored.source_id,
        path=stored.path,
        uri=stored.uri,
        title=stored.title,
        content=b"",
        media_type="",
        revision=stored.revision,
        updated_at=stored.updated_at,
        acl=Acl(public=source["public"], principals=tuple(source["acl"])),
    )
    return Saved(document, stored.chunk)
