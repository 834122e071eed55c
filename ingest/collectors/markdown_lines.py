"""Lines and blocks of Markdown whose words mean themselves, whatever they look like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

_SPACES: Final = re.compile(r"\s+")
_STARTS: Final = re.compile(r"(#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|(?:[-*_=]\s*){3,}$|`{3}|~{3}|:{3}|!{3}|\?{3}|\||<|\[)")
_NUMBERED: Final = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_HEADING_MARKUP: Final = re.compile(r"([\\`*<&]|(?<=\])\()")
_BACKTICKS: Final = re.compile(r"`+")


def markdown_page(title: str, tags: Sequence[str], parts: Iterable[str]) -> str:
    """Return a page with front matter; parts that are empty are left out."""
    matter = [f"title: {json.dumps(title, ensure_ascii=False)}"]
    if tags:
        matter.append(f"tags: {json.dumps(list(tags), ensure_ascii=False)}")
    return "\n\n".join(part for part in ("\n".join(("---", *matter, "---")), *parts) if part) + "\n"


def heading_line(level: int, text: str) -> str:
    """Return a heading whose text is taken as it is."""
    return "#" * level + " " + _HEADING_MARKUP.sub(r"\\\1", text)


def paragraph(text: str) -> list[str]:
    """Return a paragraph whose lines mean themselves, not what Markdown would make of how they begin."""
    lines = [_plain_line(_SPACES.sub(" ", line).strip()) for line in text.split("\n") if line.strip()]
    return ["\n".join(lines)] if lines else []


def _plain_line(line: str) -> str:
    if _STARTS.match(line):
        return line if line.startswith("[") and not line.startswith("[^") else f"\\{line}"
    return _NUMBERED.sub(r"\1\\\2", line, count=1) if _NUMBERED.match(line) else line


def one_line(text: str) -> str:
    """Return words without line breaks and double blanks."""
    return " ".join(text.split())


def without_markers(block: str) -> str:
    """Return a block as words for a table's cell: the items of a list apart, no fences."""
    lines = [line for line in block.split("\n") if not line.startswith("```")]
    return " / ".join(
        re.sub(r"^\s*(?:- (?:\[[ x]\] )?|\d+\. |> ?)", "", line).strip() for line in lines if line.strip()
    )


def list_item(marker: str, blocks: Iterable[str], indent: str = "") -> list[str]:
    """Return an item of a list as lines, what follows its first line indented."""
    width = indent or " " * len(marker)
    lines = [line for block in blocks for line in block.split("\n")]
    return [f"{marker if number == 0 else width}{line}" for number, line in enumerate(lines)]


def quoted(blocks: list[str]) -> list[str]:
    """Return blocks as one quotation."""
    return ["\n".join(f"> {line}".rstrip() for line in "\n\n".join(blocks).split("\n"))] if blocks else []


def fence(code: str, language: str) -> str:
    """Return code as a fenced block that it cannot end itself."""
    code = code.replace("\r\n", "\n").strip("\n")
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{re.sub(r'[^A-Za-z0-9+#_.-]', '', language)}\n{code}\n{marks}"


def code_span(code: str) -> str:
    """Return code as part of a line."""
    code = one_line(code)
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=0)
    marks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{marks}{pad}{code}{pad}{marks}" if code else ""


def link(text: str, address: str) -> str:
    """Return a link to an address of the web, of any other only its words."""
    words = one_line(text)
    if not re.match(r"https?://[^\s()<>]{1,500}$", address) or not words:
        return words
    return words if address.rstrip("/") == words.rstrip("/") else f"[{words}]({address})"
