"""Counting text in model tokens, without torch: the checkpoint's own tokenizer.json."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from shirabe.errors import NotFound


class CheckpointTokens:
    """A `TokenCounter` over a checkpoint folder's `tokenizer.json`."""

    def __init__(self, checkpoint: Path) -> None:
        path = checkpoint / "tokenizer.json"
        if not path.is_file():
            raise NotFound(f"no tokenizer.json in {checkpoint}")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, text: str) -> int:
        """Return the number of model tokens in `text`, special tokens left out."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return each token's (start, end) in characters of `text`."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)
