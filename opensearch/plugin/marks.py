"""How what is ours is told from what is not: a name that begins with ours, and a description that says so.

Both are needed: a name may be anybody's, and a thing that only has the name is never changed or deleted. ml-commons
takes letters, digits and plain punctuation in a description, the Search Relevance Workbench no quotes or brackets. Of
judgments it keeps none, so their name carries a digest of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

PREFIX: Final = "shirabe-"
_DIGEST: Final = re.compile(r"-([0-9a-f]{8})")
_MADE_BY: Final = "Made by shirabe plugin install"


def described(what: str, spec: Any = None) -> str:
    """Return the description of a thing of ours; `spec` is what its digest is taken of, where things are replaced."""
    return f"{_MADE_BY}: {what}" + (f" (spec {digest(spec)})" if spec is not None else "")


def is_ours(description: object) -> bool:
    """Tell whether a description is one that `described` gives."""
    return isinstance(description, str) and description.startswith(_MADE_BY)


def digest(spec: Any) -> str:
    """Return eight hexadecimal digits that change with any value in `spec`; references count by name."""
    text = json.dumps(spec, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def marked_name(name: str, spec: Any) -> str:
    """Return a name that tells by itself that a thing is ours, and what it holds."""
    return f"{name}-{digest(spec)}"


def parted_name(name: str) -> tuple[str, str]:
    """Return the name and the digest that `marked_name` joined; the digest is empty when it did not."""
    found = _DIGEST.fullmatch(name[-9:])
    return (name[:-9], found[1]) if found else (name, "")


def agrees(wanted: Any, found: Any) -> bool:
    """Tell whether everything wanted is found, reading numbers and booleans as the engine's settings spell them."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and agrees(value, found[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(agrees(one, other) for one, other in zip(wanted, found, strict=True))
        )
    return _spelled(wanted) == _spelled(found)


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
