"""The `Chunker` of Shirabe: every document by its own structure.

A parser is imported with the first document of its kind: together they take longer to import than a sync without
changes may take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePosixPath

from ingest import media_types
from ingest.chunkers.draft import Drafts
from ingest.chunkers.language import language_of
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter
from ingest.chunkers.text import chunk_text
from ingest.decoding import decode_text
from shirabe.protocols import TokenCounter
from shirabe.types import Chunk, Document, make_chunk

_DELIMITED = (media_types.CSV, "text/tab-separated-values")
_PARSED_CODE = (media_types.PYTHON, media_types.GO)
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
            from ingest.chunkers.sheet import chunk_workbook

            return chunk_workbook(path, document.content, splitter)
        text = decode_text(document.content).text
        if media_type == media_types.MARKDOWN:
            from ingest.chunkers.markdown import chunk_markdown

            return chunk_markdown(path, title, text, splitter)
        if media_type == media_types.OPENAPI:
            from ingest.chunkers.openapi import chunk_openapi

            return chunk_openapi(path, text, splitter)
        if media_type in _DELIMITED:
            from ingest.chunkers.sheet import chunk_csv

            return chunk_csv(path, text, splitter)
        if media_type == media_types.HTML:
            from ingest.chunkers.html import chunk_html

            return chunk_html(path, title, text, splitter)
        if media_type in _PARSED_CODE:
            from ingest.chunkers.code import chunk_code

            return chunk_code(path, text, media_type.removeprefix(_LANGUAGE_PREFIX), splitter)
        return chunk_text(path, title, text, media_type, splitter)
