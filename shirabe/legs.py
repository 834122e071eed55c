"""What the legs of a search are called: in the store that ranks them, in the fusion, and in what an answer explains."""

from __future__ import annotations

from typing import Final

LEXICAL: Final = "lexical"
MEANING: Final = ("dense", "sparse")
LEGS: Final = (LEXICAL, *MEANING)
EXACT_LEG: Final = "exact"
"""What fulfils the query's conditions, without a word of its text: the leg of a query that has none."""
CODE_LEGS: Final = {leg: f"code_{leg}" for leg in MEANING}
"""What the legs of the code index are called where its model is another: their scores cannot be compared."""
