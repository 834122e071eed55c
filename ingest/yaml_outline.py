"""YAML documents as outlines: what keys they have and where, without building any value.

Read from the parser's events, so aliases are not followed and tags not obeyed. A template's placeholders (`{{ … }}`,
as Helm, Ansible and others write them) are masked where the text is not YAML with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import yaml

_MAX_DEPTH: Final = 8
_MAX_NODES: Final = 200_000
_MAX_OPEN: Final = 200
_PLACEHOLDER: Final = re.compile(r"\{\{(?:(?!\{\{).)*?\}\}|\{%(?:(?!\{%).)*?%\}", re.DOTALL)
_NOT_NEWLINE: Final = re.compile(r"[^\n]")
_MASK: Final = "\ue000"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a mapping, where it starts (a character offset), and its value."""

    name: str
    start: int
    value: Outline


@dataclass(slots=True)
class Outline:
    """A value by its offsets: a scalar's text, a mapping's keys, or a sequence's items.

    What lies deeper than outlines go is left out. A document starts where its `---` does.
    """

    start: int
    end: int
    text: str = ""
    keys: list[Key] = field(default_factory=list)
    items: list[Outline] = field(default_factory=list)

    def get(self, name: str) -> Outline | None:
        """Return the value of a key, the first one where a key is repeated."""
        return next((key.value for key in self.keys if key.name == name), None)


def read_outlines(text: str) -> list[Outline] | None:
    """Return the outline of each document in a text, None where it is not YAML, too large or too deep."""
    outlines = _read(text, text)
    return _read(_masked(text), text) if outlines is None and "{" in text else outlines


def _read(parsed: str, text: str) -> list[Outline] | None:
    """Return the outlines of `parsed`, whose offsets are those of `text`."""
    documents: list[Outline] = []
    builder = _Builder(text, masked=parsed is not text)
    try:
        for event in yaml.parse(parsed, yaml.CSafeLoader):
            root = builder.take(event)
            if root is not None:
                documents.append(root)
            if builder.nodes > _MAX_NODES or builder.depth > _MAX_OPEN:
                return None
    except yaml.YAMLError:
        return None
    return documents


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet, and in a mapping the key whose value has not."""

    outline: Outline
    is_mapping: bool
    key: Outline | None = None


class _Builder:
    """Parser events into outlines."""

    def __init__(self, text: str, *, masked: bool) -> None:
        self.nodes = 0
        self._text = text
        self._masked = masked
        self._open: list[_Open] = []
        self._start = 0
        self._root: Outline | None = None

    @property
    def depth(self) -> int:
        """How many collections are open."""
        return len(self._open)

    def take(self, event: yaml.Event) -> Outline | None:
        """Take the next event; return the document that ends with it, if one with a value does."""
        start, end = (mark.index if mark is not None else 0 for mark in (event.start_mark, event.end_mark))
        if isinstance(event, yaml.DocumentStartEvent):
            self._start, self._root = start, None
        elif isinstance(event, yaml.DocumentEndEvent):
            return self._root
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open.append(_Open(Outline(start, end), isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.CollectionEndEvent):
            outline = self._open.pop().outline
            outline.end = end
            self._add(outline)
        elif isinstance(event, yaml.ScalarEvent):
            text = self._text[start:end].strip("\"'") if self._masked else event.value
            self._add(Outline(start, end, text))
        elif isinstance(event, yaml.AliasEvent):
            self._add(Outline(start, end))
        return None

    def _add(self, value: Outline) -> None:
        if not self._open:
            value.start = self._start
            self._root = value
            return
        parent = self._open[-1]
        if parent.is_mapping and parent.key is None:
            parent.key = value
            return
        if len(self._open) <= _MAX_DEPTH:
            self.nodes += 1
            if parent.key is None:
                parent.outline.items.append(value)
            else:
                parent.outline.keys.append(Key(parent.key.text, parent.key.start, value))
        parent.key = None


def _masked(text: str) -> str:
    """Return a text of the same length: a line of placeholders alone is a comment, one within a line a plain word."""
    lines = _PLACEHOLDER.sub(lambda match: _NOT_NEWLINE.sub(_MASK, match[0]), text).split("\n")
    return "\n".join(line.replace(_MASK, "x" if line.strip(f"{_MASK} \t") else "#") for line in lines)
