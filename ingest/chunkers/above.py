"""What a document lies under in its source, such as the pages above a page: part of the context of all its chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ingest.chunkers.draft import SEPARATOR, Draft, trail
from ingest.chunkers.split import Splitter
from shirabe.types import ABOVE, Document

_SHARE = 4


class Above:
    """The titles above one document, outermost first; the outermost are left out where there is little room."""

    def __init__(self, document: Document, splitter: Splitter) -> None:
        self._titles = tuple(str(title) for title in document.meta.get(ABOVE, ()) if str(title).strip())
        kept = self._titles
        while kept and splitter.tokens.count(trail(*kept)) > splitter.max_tokens // _SHARE:
            kept = kept[1:]
        self._trail = trail(*kept)
        # Beside the trail itself: two texts may take a token more together than apart.
        cost = splitter.tokens.count(f"{self._trail}{SEPARATOR}") + 1 if self._trail else 0
        self.splitter = splitter.narrowed(cost) if cost else splitter

    def over(self, drafts: tuple[Draft, ...]) -> Iterator[Draft]:
        """Yield chunks that were cut with `splitter`, the titles before their context and their headings."""
        for draft in drafts:
            if not self._titles:
                yield draft
                continue
            context = f"{self._trail}{SEPARATOR}{draft.context}" if self._trail else draft.context
            yield replace(draft, context=context, headings=(*self._titles, *draft.headings))
