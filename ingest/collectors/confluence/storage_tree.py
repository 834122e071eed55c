"""Confluence's storage format as a tree: XML with two prefixes that nothing declares, and the entities of HTML."""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from shirabe.errors import InvalidInput

_CDATA: Final = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_OF_XML: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LOW_REFERENCE: Final = re.compile(r"&#(?:[xX]0*(1?[0-9A-Fa-f])|0*([12]?[0-9]|3[01]));")
_NAMESPACES: Final = ("ac", "ri", "at")
_WRAPPER: Final = "<storage {}>{}</storage>"
_USER: Final = re.compile(r'\bri:(?:account-id|userkey|username)="([^"<>&]{1,255})"')


def parse_storage(storage: str, place: str) -> Element:
    """Return the root of a body in storage format; names with a prefix stay `prefix:name`.

    Raises: InvalidInput where it is not well-formed.
    """
    parts = _CDATA.split(_NOT_XML.sub("", storage))
    # Only what lies between the CDATA sections has entities.
    parts[::2] = [_ENTITY.sub(_character, _LOW_REFERENCE.sub(_blank, part)) for part in parts[::2]]
    declared = " ".join(f'xmlns:{name}="{name}"' for name in _NAMESPACES)
    try:
        root: Element = fromstring(_WRAPPER.format(declared, "".join(parts)), forbid_dtd=True)
    except ParseError as error:
        raise InvalidInput(f"the body is not well-formed: {error}", place) from None
    except DefusedXmlException as error:
        raise InvalidInput(f"the body has what no body has: {type(error).__name__}", place) from None
    return root


def users_in(storage: str) -> set[str]:
    """Return the keys of the users that a body mentions."""
    return set(_USER.findall(storage))


def name_of(element: Element) -> str:
    """Return an element's name as it was written, `ac:link` for one with a prefix."""
    tag = element.tag
    return f"{tag[1:].replace('}', ':')}" if tag.startswith("{") else tag


def attribute(element: Element, name: str) -> str:
    """Return an attribute by its name as it was written, empty when absent."""
    prefix, colon, rest = name.partition(":")
    return element.get(f"{{{prefix}}}{rest}" if colon else name, "")


def _character(match: re.Match[str]) -> str:
    name = match[1]
    if name in _OF_XML:
        return match[0]
    found = html5.get(f"{name};")
    return found if found is not None else f"&amp;{name};"


def _blank(match: re.Match[str]) -> str:
    """Return nothing for a character by its number that XML cannot hold; tabs and line breaks stay."""
    number = int(match[1], 16) if match[1] else int(match[2])
    return match[0] if number in (9, 10, 13) else ""
