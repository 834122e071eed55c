"""Counting text in model tokens, without torch: the checkpoint's own tokenizer.json."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shirabe.errors import NotFound

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class CheckpointTokens:
    """A `TokenCounter` over a checkpoint folder's `tokenizer.json`, read with the first text: it takes a second."""

    def __init__(self, checkpoint: Path) -> None:
        """Find the tokenizer. Raises: NotFound."""
        self._path = checkpoint / "tokenizer.json"
        if not self._path.is_file():
            raise NotFound(f"no tokenizer.json in {checkpoint}")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def count(self, text: str) -> int:
        """Return the number of model tokens in `text`, special tokens left out."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return each token's (start, end) in characters of `text`."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)
