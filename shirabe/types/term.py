"""A term: what a team calls something, in both languages, and what it must not be called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

_REMARK: Final = re.compile(r"\s*[(（][^()（）]*[)）]\s*$")


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a glossary; what is not known is empty.

    `ja` and `en` are the names to use, `forbidden` those not to use. Forms are as written, a remark in parentheses
    included (`キャンセル（画面の文言を除く）`).
    """

    ja: str = ""
    en: str = ""
    reading: str = ""
    abbreviations: tuple[str, ...] = ()
    definition: str = ""
    forbidden: tuple[str, ...] = ()
    scope: str = ""
    synonyms: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every form that may stand for the term in a text, those not to use included, remarks left out."""
        forms = (self.ja, self.en, *self.abbreviations, *self.synonyms, *self.forbidden)
        return tuple(dict.fromkeys(form for name in forms if (form := _REMARK.sub("", name).strip())))

    def to_meta(self) -> dict[str, Any]:
        """Return the term as JSON data, what is empty left out."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values if value}

    @classmethod
    def of_meta(cls, meta: Mapping[str, Any]) -> Term:
        """Return the term that `to_meta` described."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in meta.items()
        }
        return cls(**values)
