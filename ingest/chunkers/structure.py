"""The `Chunker` of Shirabe: every document by its own structure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePosixPath

from ingest import media_types
from ingest.chunkers.code import chunk_code
from ingest.chunkers.code_units import GRAMMARS
from ingest.chunkers.draft import Drafts
from ingest.chunkers.html import chunk_html
from ingest.chunkers.language import language_of
from ingest.chunkers.markdown import chunk_markdown
from ingest.chunkers.openapi import chunk_openapi
from ingest.chunkers.sheet import chunk_csv, chunk_workbook
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter
from ingest.chunkers.text import chunk_text
from ingest.decoding import decode_text
from shirabe.protocols import TokenCounter
from shirabe.types import Chunk, Document, make_chunk

_DELIMITED = (media_types.CSV, "text/tab-separated-values")
_LANGUAGE_PREFIX = "text/x-"


class StructureChunker:
    """Cuts documents along their own structure, every chunk within `max_tokens`, context included.

    `meta["title"]` of each chunk is the title the document gives itself.
    """

    def __init__(self, tokens: TokenCounter, max_tokens: int) -> None:
        self._splitter = Splitter(tokens, max_tokens)

    async def chunk(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        """Return each document's chunks, ordinals from 0.

        Raises: InvalidInput with the place in the file.
        """
        return [await asyncio.to_thread(self._chunk, document) for document in documents]

    def _chunk(self, document: Document) -> list[Chunk]:
        drafts = self._drafts(document)
        title = clean_text(drafts.title)
        return [
            make_chunk(
                document,
                ordinal,
                kind=draft.kind,
                text=draft.text,
                context=draft.context,
                locator=clean_text(draft.locator),
                headings=draft.headings,
                lang=draft.lang or language_of(f"{draft.context}\n{draft.text}"),
                meta={"title": title, **draft.meta},
            )
            for ordinal, draft in enumerate(drafts.chunks)
        ]

    def _drafts(self, document: Document) -> Drafts:
        path, media_type, splitter = document.path, document.media_type, self._splitter
        title = document.title or PurePosixPath(path).name
        if media_type == media_types.SPREADSHEET:
            return chunk_workbook(path, document.content, splitter)
        text = decode_text(document.content).text
        language = media_type.removeprefix(_LANGUAGE_PREFIX)
        if media_type == media_types.MARKDOWN:
            return chunk_markdown(path, title, text, splitter)
        if media_type == media_types.OPENAPI:
            return chunk_openapi(path, text, splitter)
        if media_type in _DELIMITED:
            return chunk_csv(path, text, splitter)
        if media_type == media_types.HTML:
            return chunk_html(path, title, text, splitter)
        if language in GRAMMARS and language != media_type:
            return chunk_code(path, text, language, splitter)
        return chunk_text(path, title, text, media_type, splitter)
