"""Source code into definitions: one chunk per function, class or method, and what the module itself says between."""

from __future__ import annotations

import re
from typing import Final

from ingest.chunkers.code_languages import reader_of
from ingest.chunkers.draft import Drafts
from ingest.chunkers.split import Splitter
from ingest.chunkers.text import chunk_text
from ingest.chunkers.unit_lines import Manner, cut_units

_CLOSING: Final = re.compile(
    r"""^\s*(?:
        [{}()\[\];,]+(?:\s*(?://|/\*).*)?                       # `} // namespace`
      | end\b\s*;?(?:\s*\#.*)? | \#end(?:if|region)\b.* | \?>
      | (?:GO|/|//|\$\$)                                       # what ends a batch of SQL
    )\s*$""",
    re.VERBOSE,
)
_OPENING: Final = re.compile(
    r"""^\s*(?:
        (?:public|private|protected|internal|module_function)(?:\s+slots)?\s*:? | class\s*<<\s*self
      | \#(?:if|ifdef|ifndef|else|elif|region)\b.*
      | (?:(?:pub(?:\([^)]*\))?|export|declare|inline|unsafe)\s+)*(?:namespace|module|mod)\s+[\w:.\\"'$]+\s*(?:\{\s*)*
      | extern\s+"C"\s*\{? | (?:unsafe\s+)?impl\b.*\{ | companion\s+object\s*\{ | \#\[cfg\(test\)\] | use\s+super::\*;
      | (?:RSpec\.)?(?:describe|context|feature|suite|namespace)\b.*(?:\bdo|\{) | desc\s.*
      | \#pragma\s+once | \#define\s+\w+ | DELIMITER\s+\S+
      | (?://|--|\#(?!include|define|undef|!)).* | /\*.*\*/          # the heading of a group of definitions
    )\s*$""",
    re.VERBOSE,
)


def chunk_code(path: str, text: str, language: str, splitter: Splitter) -> Drafts:
    """Return the definitions of a file, windows of lines for a language without a parser; its title is its path."""
    reader, language = reader_of(path, language, text)
    if reader is None:
        return chunk_text(path, path, text, f"text/x-{language}", splitter)
    source = splitter.read(text)
    manner = Manner("module", language, language, _CLOSING, _OPENING)
    return Drafts(path, tuple(cut_units(path, source, reader(source), splitter, manner)))
