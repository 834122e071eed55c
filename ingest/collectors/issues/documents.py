"""Documents out of threads: one text for an issue, each comment under a heading that says who wrote it and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingest.collectors.issues.body import read_body
from ingest.collectors.issues.content import MERGE_REQUESTS, Project, Remark, Row, Thread
from ingest.collectors.markdown_lines import code_span, heading_line, markdown_page, one_line
from ingest.media_types import TICKET
from shirabe.types import ABOVE, Acl, Document, document_id

_LINKS: Final = "Links"
_COMMENTS: Final = "Comments"
_SHORT_COMMIT: Final = 12
_MOST_FILES: Final = 300


def document_of(thread: Thread, row: Row, project: Project, source_id: str, acl: Acl) -> Document:
    """Return a thread as a document, for whom the snapshot says."""
    sign = "!" if thread.kind == MERGE_REQUESTS else "#"
    title = f"{one_line(thread.title)} {sign}{thread.number}"
    body = read_body(thread.text, 0)
    anchors: list[tuple[str, str]] = [(heading, "") for heading in body.headings]
    parts = ["\n".join(_facts(thread)), body.text]
    if links := list(_links(thread)):
        anchors.append((_LINKS, ""))
        parts += [heading_line(1, _LINKS), "\n".join(links)]
    remarks = [remark for remark in thread.remarks if remark.text.strip()]
    if remarks:
        anchors.append((_COMMENTS, ""))
        parts.append(heading_line(1, _COMMENTS))
    for remark in remarks:
        said = read_body(remark.text, 2)
        anchors += [(name, remark.anchor) for name in (_heading(remark), *said.headings)]
        parts += [heading_line(2, _heading(remark)), said.text]
    return Document(
        doc_id=document_id(source_id, row.path),
        source_id=source_id,
        path=row.path,
        uri=thread.url,
        title=title,
        content=markdown_page(title, thread.labels, parts).encode("utf-8", "replace"),
        media_type=TICKET,
        revision=row.updated,
        updated_at=thread.updated,
        acl=acl,
        meta={ABOVE: (project.name,), "anchors": tuple(anchors)},
    )


def _facts(thread: Thread) -> Iterator[str]:
    yield f"- State: {thread.state}"
    yield f"- Opened: {thread.written:%Y-%m-%d} by {one_line(thread.author)}"
    for name, values in (
        ("Labels", thread.labels),
        ("Milestone", (thread.milestone,)),
        ("Assignees", thread.assignees),
        ("Branches", (" → ".join(thread.branches),)),
    ):
        if words := ", ".join(one_line(value) for value in values if value):
            yield f"- {name}: {words}"


def _links(thread: Thread) -> Iterator[str]:
    for relation, name in thread.links:
        yield f"- {relation} {one_line(name)}"
    for commit, words in thread.commits:
        yield f"- commit {commit[:_SHORT_COMMIT]} {one_line(words)}".rstrip()
    for file in thread.files[:_MOST_FILES]:
        yield f"- file {code_span(file)}"


def _heading(remark: Remark) -> str:
    return one_line(" · ".join(part for part in (remark.author, f"{remark.written:%Y-%m-%d}", remark.about) if part))
