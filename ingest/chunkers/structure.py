"""The `Chunker` of Shirabe: every document by its own structure.

A parser is imported with the first document of its kind: together they take longer to import than a sync without
changes may take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from ingest import media_types
from ingest.chunkers.above import Above
from ingest.chunkers.draft import Draft, Drafts
from ingest.chunkers.language import language_of
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter
from ingest.chunkers.text import chunk_text
from ingest.decoding import decode_text
from ingest.units import BOTH, UNIT, WHOLE_DOCUMENT
from ingest.versions import VERSION, unversioned, version_of, versioned
from shirabe.protocols import TokenCounter
from shirabe.types import Chunk, Document, make_chunk

_LANGUAGE_PREFIX = "text/x-"

WHOLE_TOKENS: Final = 8_000
"""What models with a window of 8 192 tokens take, less what they put around a text."""


class StructureChunker:
    """Cuts documents along their own structure, every chunk within `max_tokens`, context included.

    `meta["title"]` of each chunk is the title the document gives itself. A page or text whose `meta` says
    `unit: document` is one chunk where it takes at most `whole_tokens`; with `unit: both` that chunk comes after its
    sections, so that the document has a vector of its own beside theirs.
    """

    def __init__(self, tokens: TokenCounter, max_tokens: int, whole_tokens: int = WHOLE_TOKENS) -> None:
        self._splitter = Splitter(tokens, max_tokens)
        self._whole_splitter = Splitter(tokens, max_tokens, whole_tokens)

    async def chunk(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        """Return each document's chunks, ordinals from 0.

        Raises: InvalidInput with the place in the file.
        """
        return await asyncio.to_thread(lambda: [self._chunk(document) for document in documents])

    def _chunk(self, document: Document) -> list[Chunk]:
        unit = document.meta.get(UNIT)
        title, drafts = self._cut(document, self._whole_splitter if unit == WHOLE_DOCUMENT else self._splitter)
        if unit == BOTH and len(drafts) > 1:
            _, whole = self._cut(document, self._whole_splitter)
            drafts += whole if len(whole) == 1 else []
        version = version_of(document)
        marks = {VERSION: version} if version else {}
        return [
            make_chunk(
                document,
                ordinal,
                kind=draft.kind,
                text=draft.text,
                context=draft.context,
                locator=versioned(version, clean_text(draft.locator)),
                headings=draft.headings,
                lang=draft.lang or language_of(f"{draft.context}\n{draft.text}"),
                meta={"title": title, **marks, **draft.meta},
            )
            for ordinal, draft in enumerate(drafts)
        ]

    def _cut(self, document: Document, splitter: Splitter) -> tuple[str, list[Draft]]:
        """Return a document's title and its chunks below what the document lies under."""
        above = Above(document, splitter)
        drafts = self._drafts(unversioned(document), above.splitter)
        return clean_text(drafts.title), list(above.over(drafts.chunks))

    def _drafts(self, document: Document, splitter: Splitter) -> Drafts:
        path, media_type = document.path, document.media_type
        title = document.title or PurePosixPath(path).name
        if media_type in media_types.SHEETS:
            from ingest.chunkers.glossary import columns_of
            from ingest.chunkers.sheet import chunk_sheet

            return chunk_sheet(document, splitter, columns_of(document))
        if media_type in media_types.RENDERED:
            from ingest.chunkers.rendered import chunk_rendered

            return chunk_rendered(path, title, document.content, media_type, splitter)
        text = decode_text(document.content).text
        if media_type == media_types.TERMS:
            from ingest.chunkers.glossary import chunk_terms

            return chunk_terms(path, title, text, splitter)
        if media_type == media_types.MARKDOWN:
            from ingest.chunkers.glossary import chunk_glossary, holds_terms
            from ingest.chunkers.markdown import chunk_markdown

            if holds_terms(document, text):
                return chunk_glossary(document, title, text, splitter)
            return chunk_markdown(path, title, text, splitter)
        if media_type in media_types.ANCHORED:
            from ingest.chunkers.anchored import chunk_anchored

            return chunk_anchored(document, text, splitter)
        if media_type in (media_types.OPENAPI, media_types.ASYNCAPI, media_types.API_FILES):
            from ingest.chunkers.openapi import chunk_openapi
            from ingest.openapi_files import ApiFiles

            joined = media_type == media_types.API_FILES
            files = ApiFiles.decoded(text) if joined else ApiFiles(path, {path: text}, {})
            return chunk_openapi(files, splitter, joined=joined)
        if media_type in media_types.MARKUP:
            from ingest.chunkers.markup import chunk_markup

            return chunk_markup(path, title, text, media_type, splitter)
        if media_type == media_types.YAML:
            from ingest.chunkers.manifest import chunk_yaml

            return chunk_yaml(path, text, splitter)
        if media_type.startswith(_LANGUAGE_PREFIX):
            from ingest.chunkers.code import chunk_code

            return chunk_code(path, text, media_type.removeprefix(_LANGUAGE_PREFIX), splitter)
        return chunk_text(path, title, text, media_type, splitter)
