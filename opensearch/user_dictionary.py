"""Words that kuromoji does not know, as its user dictionary has them: `surface,segments,readings,part of speech`.

The format is Lucene's (`UserDictionary`), one word a line, segments and readings apart by spaces, `#` before a remark:
`国際空港,国際 空港,コクサイ クウコウ,カスタム名詞`. What Lucene would refuse while an index is made is refused here,
with its line.
"""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path
from typing import Final

from shirabe.errors import InvalidInput, NotFound

MAX_BYTES: Final = 1024 * 1024
_FIELDS: Final = 4


def read_user_dictionary(path: Path) -> tuple[str, ...]:
    """Return the rules of a dictionary, in NFKC as the text that they are compared with.

    Raises: NotFound; InvalidInput naming the line.
    """
    if not path.is_file():
        raise NotFound(f"no such user dictionary: {path}")
    if path.stat().st_size > MAX_BYTES:
        raise InvalidInput(f"a user dictionary of more than {MAX_BYTES} bytes", str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the user dictionary is not UTF-8: {error.reason}", str(path)) from None
    rules: dict[str, str] = {}
    for number, line in enumerate(unicodedata.normalize("NFKC", text).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        surface, rule = _rule(line, f"{path}:{number}")
        if surface in rules:
            raise InvalidInput(f"the word {surface} stands twice", f"{path}:{number}")
        rules[surface] = rule
    return tuple(rules.values())


def _rule(line: str, place: str) -> tuple[str, str]:
    """Return a line's word and the rule as the engine takes it."""
    fields = [field.strip() for field in next(csv.reader([line]))]
    if len(fields) != _FIELDS or not all(fields):
        raise InvalidInput("a word is four fields: surface,segments,readings,part of speech", place)
    surface, segments, readings, _ = fields
    if "".join(segments.split()) != surface:
        raise InvalidInput(f"the segments of {surface} do not make the word when joined", place)
    if len(segments.split()) != len(readings.split()):
        raise InvalidInput(f"{surface} needs as many readings as segments", place)
    if any("," in field or '"' in field for field in fields):
        raise InvalidInput("no field holds a comma or a quotation mark", place)
    return surface, ",".join(fields)
