"""What a source's documents are cut into: sections, each one whole where the model takes it, or both."""

from __future__ import annotations

from typing import Any, Final

from shirabe.errors import InvalidInput

UNIT: Final = "unit"
"""The option of a source, and what says so in the `meta` of its documents."""
WHOLE_DOCUMENT: Final = "document"
BOTH: Final = "both"
_SECTIONS: Final = "section"


def unit_option(value: object) -> dict[str, Any]:
    """Return what a source's option `unit` adds to the `meta` of its documents.

    Raises: InvalidInput.
    """
    if value not in (None, _SECTIONS, WHOLE_DOCUMENT, BOTH):
        raise InvalidInput(f"must be {_SECTIONS}, {WHOLE_DOCUMENT} or {BOTH}", f"options.{UNIT}")
    return {UNIT: value} if value in (WHOLE_DOCUMENT, BOTH) else {}
