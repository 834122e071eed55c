"""Office files for tests: those of libraries that write real ones, and archives of hand-written parts."""

import io
import zipfile
from collections.abc import Callable, Mapping

import docx
import pptx
from docx.document import Document
from pptx.presentation import Presentation

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_OASIS = "urn:oasis:names:tc:opendocument:xmlns"
ODF = " ".join(
    f'xmlns:{prefix}="{_OASIS}:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
        "presentation": "presentation",
        "svg": "svg-compatible",
    }.items()
)


def written_docx(write: Callable[[Document], None]) -> bytes:
    document = docx.Document()
    write(document)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def written_pptx(write: Callable[[Presentation], None]) -> bytes:
    deck = pptx.Presentation()
    write(deck)
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file.getvalue()


def relations(targets: Mapping[str, str]) -> str:
    entries = "".join(
        f'<Relationship Id="r{number}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets.items())
    )
    return f'<Relationships xmlns="{_PACKAGE}">{entries}</Relationships>'


def docx_of(body: str, **parts: str) -> bytes:
    """Return a Word document with a body of hand-written XML, and parts such as `footnotes` beside it."""
    return archive(
        {
            "_rels/.rels": relations({"officeDocument": "word/document.xml"}),
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations({name: f"{name}.xml" for name in parts}),
            **{f"word/{name}.xml": content for name, content in parts.items()},
        }
    )


def odf_of(kind: str, body: str, styles: str = "") -> bytes:
    """Return an OpenDocument file: kind is `text` or `presentation`."""
    content = (
        f"<office:document-content {ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    return archive({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})
