"""Turning text into token ids with a checkpoint's own tokenizer, cutting what is too long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from shirabe.errors import InvalidInput, NotFound

Ids = npt.NDArray[np.int32]

XLM_R_SPECIALS: Final = ("<s>", "</s>", "<pad>", "<unk>")

# A first look at a long text takes this many characters a token; nearly every language needs fewer.
_CHARS_PER_TOKEN: Final = 8
# A cut may change how the last few pieces fall, so the tokens that are kept must end well before it.
_MARGIN: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The special tokens before, between and after what is encoded; `between` is empty for a single text."""

    before: Ids
    between: Ids
    after: Ids

    @property
    def tokens(self) -> int:
        """How many tokens it takes."""
        return len(self.before) + len(self.between) + len(self.after)


class Tokenised(list[Ids]):
    """The token ids of texts; `cut` has the indices, ascending, of those that were longer than the model takes."""

    def __init__(self, ids: Iterable[Ids], cut: Sequence[int]) -> None:
        super().__init__(ids)
        self.cut = cut


class CheckpointTokenizer:
    """The tokenizer of a checkpoint; thread-safe."""

    def __init__(self, folder: Path, max_tokens: int, specials: Sequence[str] = XLM_R_SPECIALS) -> None:
        """Read `tokenizer.json`.

        Raises: NotFound, InvalidInput when it is damaged or lacks one of the special tokens that the model has.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise NotFound(f"no {path.name} in {folder}")
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise InvalidInput(f"not a tokenizer: {error}", str(path)) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._max_tokens = max_tokens
        self.specials: Ids = np.array([self._special(name, path) for name in specials], np.int32)
        self.frame = _frame(self._tokenizer.encode("a"))
        self.pair_frame = _frame(self._tokenizer.encode("a", "a"))

    def _special(self, name: str, path: Path) -> int:
        token_id: int | None = self._tokenizer.token_to_id(name)
        if token_id is None:
            raise InvalidInput(f"lacks the special token {name}", str(path))
        return token_id

    def encode(self, texts: Sequence[str]) -> Tokenised:
        """Return the token ids of each text in its frame (`<s>` first, `</s>` last), at most `max_tokens`.

        Raises: InvalidInput for what is no text, such as a lone surrogate.
        """
        frame = self.frame
        pieces = self._pieces(texts, self._max_tokens - frame.tokens)
        return Tokenised((np.concatenate((frame.before, ids, frame.after)) for ids in pieces), pieces.cut)

    def encode_pairs(self, query: str, passages: Sequence[str]) -> Tokenised:
        """Return the token ids of a query with each passage, at most `max_tokens`; the query is tokenised once.

        The passage is cut; the query only beyond three quarters of `max_tokens`.

        Raises: InvalidInput as `encode`.
        """
        frame = self.pair_frame
        asked = self._pieces([query], self._max_tokens * 3 // 4)
        (first,) = asked
        head = np.concatenate((frame.before, first, frame.between))
        room = max(self._max_tokens - frame.tokens - len(first), 0)
        pieces = self._pieces(passages, room)
        cut = range(len(passages)) if asked.cut else pieces.cut
        return Tokenised((np.concatenate((head, ids, frame.after)) for ids in pieces), cut)

    def _pieces(self, texts: Sequence[str], most: int) -> Tokenised:
        """Return the token ids of each text without special tokens, at most `most`."""
        chars = max(most, 1) * _CHARS_PER_TOKEN
        found = self._run([text[:chars] for text in texts])
        enough = [self._enough(text, chars, ids, most) for text, ids in zip(texts, found, strict=True)]
        cut = [index for index, ids in enumerate(enough) if len(ids) > most]
        return Tokenised((np.array(ids[:most], np.int32) for ids in enough), cut)

    def _enough(self, text: str, chars: int, ids: list[int], most: int) -> list[int]:
        """Return the ids of all of a text, or of so much that more would not change the first `most`."""
        while chars < len(text) and len(ids) < most + _MARGIN:
            chars *= 4
            (ids,) = self._run([text[:chars]])
        return ids

    def _run(self, texts: Sequence[str]) -> list[list[int]]:
        try:
            if len(texts) == 1:
                # A batch of one would wake the thread pool, which costs more than a query does.
                return [self._tokenizer.encode(texts[0], add_special_tokens=False).ids]
            encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError as error:
            raise InvalidInput("holds a lone surrogate, which is no character", "texts") from error
        return [encoding.ids for encoding in encodings]


def _frame(encoding: Any) -> Frame:
    """Return the special tokens around the one or two texts of an encoding."""
    ids = np.array(encoding.ids, np.int32)
    owners = encoding.sequence_ids
    own = [index for index, owner in enumerate(owners) if owner is not None]
    between = [index for index in range(own[0], own[-1]) if owners[index] is None]
    return Frame(ids[: own[0]], ids[between], ids[own[-1] + 1 :])
