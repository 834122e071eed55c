"""What everyone who embeds or reranks is measured on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from bench.contest import Contest, Contestant, take_turns
from bench.rerankers import Scorer
from bench.texts import QUESTIONS
from shirabe.types import ALL_OUTPUTS, Output, TextKind

DENSE: Final = "ours, dense"
DENSE_ONLY: Final[tuple[Output, ...]] = ("dense",)


class Side(Protocol):
    """Who embeds: our engine, or a peer."""

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        """Compute outputs of the texts."""

    def note(self, kind: TextKind) -> str:
        """Return the settings, and what was seen while it worked on texts of a kind."""


def one_query(sides: Mapping[str, Side], outputs: Collection[Output], tokens: float, rounds: int) -> Contest:
    """Compare one query at a time. tokens: of one query, on average."""
    contestants = [_embedding(name, side, "query", outputs) for name, side in sides.items()]
    results = take_turns(contestants, [[question] for question in QUESTIONS], rounds)
    return Contest(f"one query: {_said(outputs)}", tokens, tuple(results))


def many_passages(
    sides: Mapping[str, Side], passages: Sequence[str], outputs: Collection[Output], tokens: float, rounds: int
) -> Contest:
    """Compare all passages at once. tokens: of all of them."""
    contestants = [_embedding(name, side, "passage", outputs) for name, side in sides.items()]
    results = take_turns(contestants, [passages], rounds)
    return Contest(f"{len(passages)} passages: {_said(outputs)}", tokens, tuple(results))


def dense_passages(
    ours: Side, sides: Mapping[str, Side], passages: Sequence[str], tokens: float, rounds: int
) -> Contest:
    """Compare dense vectors of all passages, and see what our other outputs cost beside them."""
    wanted: dict[str, tuple[Output, ...]] = {
        DENSE: DENSE_ONLY,
        f"{DENSE} and sparse": ("dense", "sparse"),
        "ours, all outputs": ALL_OUTPUTS,
    }
    contestants = [_embedding(name, ours, "passage", outputs) for name, outputs in wanted.items()]
    contestants += [_embedding(name, side, "passage", DENSE_ONLY) for name, side in sides.items()]
    results = take_turns(contestants, [passages], rounds)
    return Contest(f"{len(passages)} passages: dense", tokens, tuple(results))


def pairs_reranked(sides: Mapping[str, Scorer], passages: Sequence[str], tokens: float, rounds: int) -> Contest:
    """Compare rerankers on pairs of one query. tokens: of all pairs."""
    contestants = [Contestant(name, partial(_score, side, passages), side.note) for name, side in sides.items()]
    results = take_turns(contestants, QUESTIONS[:1], rounds)
    return Contest(f"{len(passages)} pairs reranked", tokens, tuple(results))


def _embedding(name: str, side: Side, kind: TextKind, outputs: Collection[Output]) -> Contestant[Sequence[str]]:
    return Contestant(name, partial(_embed, side, kind, outputs), partial(side.note, kind))


def _embed(side: Side, kind: TextKind, outputs: Collection[Output], texts: Sequence[str]) -> None:
    side.encode(texts, kind, outputs)


def _score(side: Scorer, passages: Sequence[str], query: str) -> None:
    side.score(query, passages)


def _said(outputs: Collection[Output]) -> str:
    return "all outputs" if set(outputs) == set(ALL_OUTPUTS) else " and ".join(outputs)
