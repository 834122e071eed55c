"""Documents out of what Confluence holds: a page with its comments as one text, an attachment as the file it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ingest.collectors.confluence.api import Api
from ingest.collectors.confluence.content import Attachment, Body, Comment, Content
from ingest.collectors.confluence.snapshot import Snapshot
from ingest.collectors.confluence.storage import Rendered, render_storage
from ingest.collectors.confluence.storage_tree import users_in
from ingest.collectors.markdown_lines import heading_line, markdown_page
from ingest.collectors.selection import sort_content
from ingest.media_types import CONFLUENCE, media_type_of
from shirabe.errors import InvalidInput
from shirabe.types import ABOVE, Change, Delete, Document, Failure, Skip, Source, Upsert, document_id

ANCHORS: Final = "anchors"
"""In a page's `meta`: pairs of a heading's text and its anchor, in order."""

_COMMENTS: Final = "Comments"


class Documents:
    """Reads documents of one source as a snapshot has them.

    `site` is the address that links are relative to when the snapshot does not say.
    """

    def __init__(self, api: Api, at: Snapshot, source: Source, site: str, max_file_bytes: int, *, cloud: bool) -> None:
        self._api = api
        self._at = at
        self._commented = {page for page, _ in at.comments.values()}
        self._source = source
        self._site = (at.site or site).rstrip("/")
        self._max_file_bytes = max_file_bytes
        self._cloud = cloud

    async def read(self, path: str) -> Change:
        """Return a document as it is now, for whom the snapshot says; Delete when it is not in both.

        Raises: Transient errors.
        """
        at = self._at
        kind, _, number = path.partition("/")
        try:
            if kind == "attachment":
                one = at.attachments.get(number)
                page = at.contents.get(one.container) if one else None
                return await self._file(one, page) if one and page else Delete(path)
            content = at.contents.get(number)
            return await self._page(content) if content and content.path == path else Delete(path)
        except InvalidInput as error:
            return Failure(path, str(error))

    async def _page(self, content: Content) -> Change:
        body = await self._api.body(content)
        if body is None:
            return Delete(content.path)
        comments = await self._api.comments(content) if content.number in self._commented else []
        mentioned = users_in(body.storage).union(*(users_in(comment.storage) for comment in comments))
        users = {key: await self._api.display_name(key) for key in sorted(mentioned)}
        rendered, said = await asyncio.to_thread(_rendered, content.path, body, comments, users)
        text = _page_text(body, content, rendered, said)
        if len(text) > self._max_file_bytes:
            return Skip(content.path, f"{len(text)} bytes, more than the {self._max_file_bytes} allowed")
        anchors = _anchors(body.title, rendered.headings, said, cloud=self._cloud)
        document = Document(
            **self._facts(content.path, content),
            uri=self._address(body.webui, content.number),
            title=body.title,
            content=text,
            media_type=CONFLUENCE,
            revision=str(body.version),
            updated_at=body.written,
            meta={ABOVE: self._at.titles(content), ANCHORS: anchors},
        )
        return Upsert(document)

    async def _file(self, one: Attachment, page: Content) -> Change:
        if media_type_of(one.title, b"") is None:
            return Skip(one.path, "not a supported kind of document")
        if one.size > self._max_file_bytes:
            return Skip(one.path, f"{one.size} bytes, more than the {self._max_file_bytes} allowed")
        content = await self._api.download(one, self._max_file_bytes)
        if content is None:
            return Delete(one.path)
        sort = sort_content(one.title, content)
        if sort.refusal:
            return Skip(one.path, sort.refusal)
        document = Document(
            **self._facts(one.path, page),
            uri=self._address(one.webui, page.number),
            title=one.title,
            content=content,
            media_type=sort.media_type,
            revision=str(one.version),
            updated_at=one.written,
            meta={ABOVE: (*self._at.titles(page), page.title)},
        )
        return Upsert(document)

    def _facts(self, path: str, page: Content) -> Mapping[str, Any]:
        source_id = self._source.source_id
        return {
            "doc_id": document_id(source_id, path),
            "source_id": source_id,
            "path": path,
            "acl": self._at.acl(page),
        }

    def _address(self, webui: str, page: str) -> str:
        return f"{self._site}{webui}" if webui.startswith("/") else f"{self._site}/pages/viewpage.action?pageId={page}"


def _rendered(
    path: str, body: Body, comments: list[Comment], users: Mapping[str, str]
) -> tuple[Rendered, list[tuple[Comment, Rendered]]]:
    said = [(comment, render_storage(comment.storage, path, users)) for comment in comments]
    return render_storage(body.storage, path, users), said


def _page_text(body: Body, content: Content, rendered: Rendered, said: list[tuple[Comment, Rendered]]) -> bytes:
    """Return a page as Markdown with front matter, each comment under a heading of its own after it."""
    parts = [rendered.text]
    if said:
        parts.append(heading_line(1, _COMMENTS))
    for comment, words in said:
        parts.append(heading_line(2, _comment_title(comment)))
        if comment.quoted.strip():
            parts.append(f"> {' '.join(comment.quoted.split())}")
        parts.append(words.text)
    return markdown_page(body.title, content.labels, parts).encode()


def _comment_title(comment: Comment) -> str:
    state = "resolved" if comment.resolved else ""
    return " · ".join(part for part in (comment.author, f"{comment.written:%Y-%m-%d}", state) if part)


def _anchors(
    title: str, headings: tuple[str, ...], said: list[tuple[Comment, Rendered]], *, cloud: bool
) -> tuple[tuple[str, str], ...]:
    """Return each heading with the anchor that Confluence gives it, a repeated one numbered."""
    prefix = "" if cloud else f"{''.join(title.split())}-"
    seen: dict[str, int] = {}
    found: list[tuple[str, str]] = []
    for heading in headings:
        anchor = f"{prefix}{'-'.join(heading.split()) if cloud else ''.join(heading.split())}"
        seen[anchor] = seen.get(anchor, -1) + 1
        found.append((heading, f"{anchor}.{seen[anchor]}" if seen[anchor] else anchor))
    if said:
        found.append((_COMMENTS, "comments-section"))
    for comment, words in said:
        found.append((_comment_title(comment), f"comment-{comment.number}"))
        found += [(heading, f"comment-{comment.number}") for heading in words.headings]
    return tuple(found)
