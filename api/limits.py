"""What a query must be before anything is asked of the engine or the models."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import get_args

from shirabe.errors import InvalidInput
from shirabe.settings import SearchSettings
from shirabe.types import Mode, Query, Rerank


def checked(query: Query, settings: SearchSettings) -> Query:
    """Return the query with its text cleaned of control characters and outer white space.

    Filters are the store's to check: it knows its fields.

    Raises: InvalidInput naming the field.
    """
    if len(query.text) > settings.max_query_chars:
        raise InvalidInput(
            f"the query has {len(query.text)} characters, at most {settings.max_query_chars} are taken", "query"
        )
    text = cleaned(query.text, "query")
    if not text:
        raise InvalidInput("the query is empty", "query")
    if not 1 <= query.top_k <= settings.max_top_k:
        raise InvalidInput(f"top_k must be from 1 to {settings.max_top_k}, got {query.top_k}", "top_k")
    if query.mode not in get_args(Mode):
        raise InvalidInput(f"unknown mode {query.mode!r}; modes are {', '.join(get_args(Mode))}", "mode")
    if query.rerank not in get_args(Rerank):
        raise InvalidInput(f"unknown rerank {query.rerank!r}; it is one of {', '.join(get_args(Rerank))}", "rerank")
    return replace(query, text=text)


def cleaned(text: str, place: str) -> str:
    """Return `text` with control characters as spaces, stripped. Raises: InvalidInput for a lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("the text holds a lone surrogate, which is no character", place) from None
    return "".join(" " if unicodedata.category(char) == "Cc" else char for char in text).strip()
