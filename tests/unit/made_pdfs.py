"""PDF files for tests: made by a library where a real one is wanted, by hand where it must be a bad one."""

import io
import zlib
from collections.abc import Callable, Sequence

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, FrameBreak, PageTemplate, Paragraph

MINCHO, GOTHIC = "HeiseiMin-W3", "HeiseiKakuGo-W5"
pdfmetrics.registerFont(UnicodeCIDFont(MINCHO))
pdfmetrics.registerFont(UnicodeCIDFont(GOTHIC))

BODY = ParagraphStyle("body", fontName=MINCHO, fontSize=10, leading=15, wordWrap="CJK", spaceAfter=8)
HEADING = ParagraphStyle("heading", fontName=GOTHIC, fontSize=14, leading=20, spaceBefore=8)
TITLE = ParagraphStyle("title", fontName=GOTHIC, fontSize=20, leading=26)


class Mark(Flowable):  # type: ignore[misc]
    """An entry of the outline where it stands."""

    def __init__(self, level: int, title: str) -> None:
        super().__init__()
        self._level, self._title = level, title

    def wrap(self, *_: float) -> tuple[float, float]:
        return 0, 0

    def draw(self) -> None:
        self.canv.bookmarkPage(self._title)
        self.canv.addOutlineEntry(self._title, self._title, self._level)


def columns(flowables: Sequence[Flowable], count: int = 2, title: str = "", head: str = "") -> bytes:
    """Set flowables in columns under a frame for the title, with a running head and page numbers."""
    width, height = A4
    file = io.BytesIO()
    document = BaseDocTemplate(file, pagesize=A4, title=title or "untitled")
    each = (width - 100 - 20 * (count - 1)) / count
    frames = [Frame(50, height - 130, width - 100, 70, id="title")] if count > 1 else []
    frames += [Frame(50 + n * (each + 20), 60, each, height - 200, id=f"column{n}") for n in range(count)]

    def edges(canvas: Canvas, template: BaseDocTemplate) -> None:
        canvas.setFont(MINCHO, 8)
        canvas.drawString(50, height - 30, head)
        canvas.drawString(width / 2, 30, str(template.page))

    document.addPageTemplates([PageTemplate(frames=frames, onPage=edges)])
    document.build(list(flowables))
    return file.getvalue()


def drawn(draw: Callable[[Canvas], None], **options: object) -> bytes:
    """Return what a function draws."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, **options)
    draw(canvas)
    canvas.save()
    return file.getvalue()


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    return Paragraph(text, style)


def next_frame() -> FrameBreak:
    return FrameBreak()


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R"
    b" /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >> >>"
)
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
HELLO = b"BT /F 12 Tf 50 700 Td (Hello) Tj ET"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(content), content)


def by_hand(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """Return a file of numbered objects, the first of them the catalog."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    entries = b"/Size %d /Root 1 0 R %s" % (len(objects) + 1, trailer.replace(b"TABLE", b"%d" % table))
    return bytes(out + b"trailer\n<< %s >>\nstartxref\n%d\n%%%%EOF" % (entries, table))


def looping() -> dict[str, bytes]:
    """Files whose parts refer to themselves: what each refers to is its name."""
    form = (
        b"/Type /XObject /Subtype /Form /BBox [0 0 600 800]"
        b" /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >>"
    )
    return {
        "a page tree": by_hand(
            [CATALOG, b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 2 >>", PAGE, stream(HELLO), FONT]
        ),
        "a form": by_hand(
            [CATALOG, PAGES, PAGE, stream(HELLO + b" /X Do"), FONT, stream(b"/X Do /X Do " + HELLO, form)]
        ),
        "an outline": by_hand(
            [
                b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>",
                PAGES,
                PAGE,
                stream(HELLO),
                FONT,
                b"<< /Type /Outlines /First 7 0 R /Last 7 0 R >>",
                b"<< /Title (A) /Next 8 0 R /Dest [3 0 R /Fit] >>",
                b"<< /Title (B) /Next 7 0 R /First 7 0 R /Dest [3 0 R /Fit] >>",
            ]
        ),
        "a cross-reference table": by_hand([CATALOG, PAGES, PAGE, stream(HELLO), FONT], b"/Prev TABLE"),
        "a length": by_hand([CATALOG, PAGES, PAGE, b"<< /Length 4 0 R >>\nstream\n" + HELLO + b"\nendstream", FONT]),
    }


def inflating() -> bytes:
    """A page whose content unpacks twice, to 300 MB."""
    packed = zlib.compress(zlib.compress(bytes(300_000_000), 1), 9)
    return by_hand([CATALOG, PAGES, PAGE, stream(packed, b"/Filter [/FlateDecode /FlateDecode]"), FONT])
