"""What a source's documents are cut into: sections, or each one whole where the model takes it."""

from __future__ import annotations

from typing import Any, Final

from shirabe.errors import InvalidInput

UNIT: Final = "unit"
"""The option of a source, and what says so in the `meta` of its documents."""
WHOLE_DOCUMENT: Final = "document"
_SECTIONS: Final = "section"


def unit_option(value: object) -> dict[str, Any]:
    """Return what a source's option `unit` adds to the `meta` of its documents.

    Raises: InvalidInput.
    """
    if value not in (None, _SECTIONS, WHOLE_DOCUMENT):
        raise InvalidInput(f"must be {_SECTIONS} or {WHOLE_DOCUMENT}", f"options.{UNIT}")
    return {UNIT: WHOLE_DOCUMENT} if value == WHOLE_DOCUMENT else {}
