"""The two ways vendors are asked for embeddings: OpenAI's and Cohere's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from shirabe.errors import Unavailable
from shirabe.types import Floats, TextKind

Json = Mapping[str, Any]


class Dialect(Protocol):
    """How a request is written and an answer read. Readers raise Unavailable when the answer is not of this kind."""

    @property
    def path(self) -> str:
        """Where requests go, below the base URL."""

    def body(
        self, model: str, texts: Sequence[str], kind: TextKind, dimensions: int | None, *, cut: bool
    ) -> dict[str, Any]:
        """Return the JSON to send; `dimensions` is None to get the model's own width.

        Without `cut` a vendor that cuts too long texts is told to refuse them.
        """

    def vectors(self, answer: Json) -> Floats:
        """Return float32 (texts, dim) in the order of the texts."""

    def tokens(self, answer: Json) -> int | None:
        """Return the tokens that are billed, None where the answer does not say."""

    def refusal(self, answer: Json) -> tuple[str, str, str]:
        """Return an error's (message, code, place); what is not there is empty."""


class OpenAIDialect:
    """`POST /embeddings`. Vectors are asked for in base64: a quarter of the bytes and no floats to parse."""

    path: Final = "/embeddings"

    def body(
        self,
        model: str,
        texts: Sequence[str],
        kind: TextKind,  # noqa: ARG002 - one space for queries and passages
        dimensions: int | None,
        *,
        cut: bool,  # noqa: ARG002 - too long texts are refused anyway
    ) -> dict[str, Any]:
        """Return the JSON to send."""
        body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "base64"}
        if dimensions is not None:
            body["dimensions"] = dimensions
        return body

    def vectors(self, answer: Json) -> Floats:
        """Return the vectors, by the index that each row carries; a server may answer floats all the same."""
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            if [row["index"] for row in rows] != list(range(len(rows))):
                raise ValueError("the rows are not numbered from 0")
            return np.stack([_vector(row["embedding"]) for row in rows])
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"the provider answered something that is not embeddings: {error!r}") from None

    def tokens(self, answer: Json) -> int | None:
        """Return `usage.total_tokens`."""
        usage = answer.get("usage")
        return _whole(usage.get("total_tokens")) if isinstance(usage, Mapping) else None

    def refusal(self, answer: Json) -> tuple[str, str, str]:
        """Return what `{"error": {"message", "code" or "type", "param"}}` says, or `{"error": "..."}`."""
        error = answer.get("error", answer)
        if not isinstance(error, Mapping):
            return str(error), str(answer.get("error_type", "")), ""
        code = error.get("code") or error.get("type") or ""
        return str(error.get("message") or ""), str(code), str(error.get("param") or "")


class CohereDialect:
    """`POST /v2/embed`. Queries and passages are told apart by `input_type`."""

    path: Final = "/v2/embed"

    def body(
        self, model: str, texts: Sequence[str], kind: TextKind, dimensions: int | None, *, cut: bool
    ) -> dict[str, Any]:
        """Return the JSON to send."""
        body: dict[str, Any] = {
            "model": model,
            "texts": list(texts),
            "input_type": "search_query" if kind == "query" else "search_document",
            "embedding_types": ["float"],
            "truncate": "END" if cut else "NONE",
        }
        if dimensions is not None:
            body["output_dimension"] = dimensions
        return body

    def vectors(self, answer: Json) -> Floats:
        """Return the vectors: they come in the order of the texts."""
        try:
            return np.stack([_vector(row) for row in answer["embeddings"]["float"]])
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"the provider answered something that is not embeddings: {error!r}") from None

    def tokens(self, answer: Json) -> int | None:
        """Return `meta.billed_units.input_tokens`."""
        meta = answer.get("meta")
        billed = meta.get("billed_units") if isinstance(meta, Mapping) else None
        return _whole(billed.get("input_tokens")) if isinstance(billed, Mapping) else None

    def refusal(self, answer: Json) -> tuple[str, str, str]:
        """Return what `{"message"}` says."""
        return str(answer.get("message") or ""), "", ""


def _vector(value: Any) -> Floats:
    if isinstance(value, str):
        try:
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)
        except binascii.Error as error:
            raise ValueError(f"not base64: {error}") from None
    vector = np.asarray(value, dtype=np.float32)
    if vector.ndim != 1:
        raise ValueError("a vector is not a list of numbers")
    return vector


def _whole(value: Any) -> int | None:
    # Cohere bills in floats.
    return int(value) if isinstance(value, int | float) and value >= 0 else None
