import io
import warnings
import zipfile

import pytest

from ingest.archives import MAX_PARTS, open_archive, read_part, read_xml
from shirabe.errors import InvalidInput


def archive(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file.getvalue()


def test_parts_are_read_and_missing_ones_are_none() -> None:
    opened = open_archive(archive({"a.xml": "<a>受注</a>".encode(), "b.bin": b"b"}))
    root = read_xml(opened, "a.xml")
    assert root is not None
    assert root.text == "受注"
    assert read_part(opened, "b.bin") == b"b"
    assert read_part(opened, "c") is None
    assert read_xml(opened, "c") is None


def twice() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as made:
        warnings.simplefilter("ignore")
        made.writestr("a", b"1")
        made.writestr("a", b"2")
    return file.getvalue()


def with_password() -> bytes:
    content = bytearray(archive({"a": b"1"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def lying() -> bytes:
    """An archive whose directory says that a part is 1 KB larger than 20 MB of it are packed."""
    content = archive({"a": bytes(20_000_000)})
    return content.replace((20_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a proper archive"),
        (b"PK\x03\x04" + b"x" * 99, "not a proper archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 99, "protected by a password, or of an Office before 2007"),
        (with_password(), "protected by a password"),
        (twice(), "two of its parts have one name"),
        (archive({"a": bytes(20_000_000)}), "unpacks to 20000000 bytes from"),
        (archive({str(n): b"" for n in range(MAX_PARTS + 1)}, zipfile.ZIP_STORED), "parts, more than"),
    ],
    ids=["empty", "damaged", "old office", "encrypted", "doubled", "inflating", "many"],
)
def test_what_is_refused_has_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        open_archive(content)


def test_a_part_gives_no_more_than_the_directory_says() -> None:
    opened = open_archive(lying())
    with pytest.raises(InvalidInput, match="its part a is damaged"):
        read_part(opened, "a")


@pytest.mark.parametrize(
    "part",
    [
        b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>',
    ],
)
def test_entities_are_refused(part: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"its part a\.xml declares entities"):
        read_xml(open_archive(archive({"a.xml": part})), "a.xml")


@pytest.mark.parametrize("part", [b"", b"<a>", b"\xff\xfe<", b'<?xml version="1.0" encoding="nonsense"?><a/>'])
def test_what_is_no_xml_is_refused(part: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"its part a\.xml is not proper XML"):
        read_xml(open_archive(archive({"a.xml": part})), "a.xml")
