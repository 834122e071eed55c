"""Zip archives from strangers (docx, pptx, xlsx, odt are such): opened only when what they unpack to is bounded.

The sizes that are added up are those of the archive's directory, which is what `zipfile` unpacks at most of each part.
Archives within the archive are parts like others: nothing here unpacks them.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Final
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from shirabe.errors import InvalidInput

MAX_PARTS: Final = 10_000
MAX_BYTES: Final = 200_000_000
MAX_RATIO: Final = 200
_SMALL_BYTES: Final = 10_000_000
_ENCRYPTED: Final = 0x1
_COMPOUND_FILE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def open_archive(content: bytes) -> zipfile.ZipFile:
    """Return an archive whose parts are few and small enough to be unpacked.

    Raises: InvalidInput saying what it is instead.
    """
    if content.startswith(_COMPOUND_FILE):
        # What Office writes to protect a file with a password, and what it wrote before 2007.
        raise InvalidInput("protected by a password, or of an Office before 2007: save it again without either")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InvalidInput(f"not a proper archive ({error})") from None
    _check(archive.infolist())
    return archive


def read_part(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Return a part's content, None when there is no such part.

    Raises: InvalidInput when it is damaged.
    """
    try:
        return archive.read(name)
    except KeyError:
        return None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InvalidInput(f"its part {name} is damaged ({error})") from None


def read_xml(archive: zipfile.ZipFile, name: str) -> Element | None:
    """Return the root of a part that is XML, None when there is no such part.

    Raises: InvalidInput when it is damaged, or declares entities.
    """
    content = read_part(archive, name)
    if content is None:
        return None
    try:
        root: Element = defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InvalidInput(
            f"its part {name} declares entities, which are not followed ({type(error).__name__})"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise InvalidInput(f"its part {name} is not proper XML ({error})") from None
    return root


def _check(parts: list[zipfile.ZipInfo]) -> None:
    total = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if len(parts) > MAX_PARTS:
        raise InvalidInput(f"{len(parts)} parts, more than {MAX_PARTS}")
    if len({part.filename for part in parts}) < len(parts):
        raise InvalidInput("two of its parts have one name")
    if total > MAX_BYTES or (total > _SMALL_BYTES and total > MAX_RATIO * max(packed, 1)):
        raise InvalidInput(f"unpacks to {total} bytes from {packed}, more than is read")
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        raise InvalidInput("protected by a password")
