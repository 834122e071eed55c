"""HTML pages into sections by their headings; the text is rendered, so there are no line numbers."""

from __future__ import annotations

from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.html_text import read_html
from ingest.chunkers.language import language_of
from ingest.chunkers.split import Boundaries, Splitter


def chunk_html(path: str, fallback_title: str, text: str, splitter: Splitter) -> Drafts:
    """Return the sections of a page; the title is the page's, else the first heading, else `fallback_title`."""
    page_title, sections = read_html(text)
    title = (
        page_title or next((" ".join(s.heading.split()) for s in sections if s.heading.strip()), "") or fallback_title
    )
    default = language_of(" ".join(section.text for section in sections))
    drafts: list[Draft] = []
    headings: list[tuple[int, str]] = []
    for section in sections:
        if section.level:
            headings = [one for one in headings if one[0] < section.level]
            headings.append((section.level, " ".join(section.heading.split())))
        names = tuple(name for _, name in headings if name)
        context = splitter.shorten(trail(title, *names))
        source = splitter.read(section.text)
        for piece in splitter.pieces(source, source.lines_span(1, source.line_count), context, Boundaries()):
            part = source.slice(piece)
            drafts.append(
                Draft(
                    kind="section",
                    text=part,
                    context=context,
                    locator=f"{path}#{section.anchor}" if section.anchor else path,
                    headings=names,
                    lang=language_of(f"{context}\n{part}", default),
                )
            )
    return Drafts(title, tuple(drafts))
