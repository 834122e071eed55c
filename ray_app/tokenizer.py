"""Turning text into token ids with a checkpoint's own tokenizer, cutting what is too long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from shirabe.errors import InvalidInput, NotFound

Ids = npt.NDArray[np.int32]

# A first look at a long text takes this many characters a token; nearly every language needs fewer.
_CHARS_PER_TOKEN: Final = 8
# A cut may change how the last few pieces fall, so the tokens that are kept must end well before it.
_MARGIN: Final = 64


class CheckpointTokenizer:
    """The tokenizer of a checkpoint in the XLM-R family; thread-safe."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        """Read `tokenizer.json`.

        Raises: NotFound, InvalidInput when its special tokens are not XLM-R's.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise NotFound(f"no {path.name} in {folder}")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._max_tokens = max_tokens
        self._eos = self._special("</s>", path)
        names = ("<s>", "</s>", "<pad>", "<unk>")
        self.specials: Ids = np.array([self._special(name, path) for name in names], np.int32)

    def _special(self, name: str, path: Path) -> int:
        token_id: int | None = self._tokenizer.token_to_id(name)
        if token_id is None:
            raise InvalidInput(f"lacks the special token {name}", str(path))
        return token_id

    def encode(self, texts: Sequence[str | tuple[str, str]]) -> list[Ids]:
        """Return the token ids of each text or pair of texts, `<s>` first, `</s>` last, at most `max_tokens`."""
        heads = [self._head(text, self._max_tokens * _CHARS_PER_TOKEN) for text in texts]
        return [self._cut(text, encoding) for text, encoding in zip(texts, self._run(heads), strict=True)]

    def _run(self, texts: Sequence[str | tuple[str, str]]) -> list[Any]:
        if len(texts) == 1:
            # A batch of one would wake the thread pool, which costs more than a query does.
            text = texts[0]
            return [self._tokenizer.encode(text) if isinstance(text, str) else self._tokenizer.encode(*text)]
        encodings: list[Any] = self._tokenizer.encode_batch_fast(list(texts))
        return encodings

    def _head(self, text: str | tuple[str, str], chars: int) -> str | tuple[str, str]:
        return text[:chars] if isinstance(text, str) else (text[0][:chars], text[1][:chars])

    def _cut(self, text: str | tuple[str, str], encoding: Any) -> Ids:
        ids: list[int] = encoding.ids
        chars = self._max_tokens * _CHARS_PER_TOKEN
        longest = len(text) if isinstance(text, str) else max(map(len, text))
        while chars < longest and len(ids) < self._max_tokens + _MARGIN:
            chars *= 4
            ids = self._run([self._head(text, chars)])[0].ids
        if len(ids) > self._max_tokens:
            ids = [*ids[: self._max_tokens - 1], self._eos]
        return np.array(ids, np.int32)
