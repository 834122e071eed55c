"""The sizes of a Qwen3 decoder, read without loading its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray_app.json_file import read_object
from shirabe.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """What a Qwen3 decoder has beyond width, depth and heads.

    `key_heads` heads of keys and values are shared by the heads of queries, each `head_dim` wide; `theta` is the base
    of the rotary positions.
    """

    key_heads: int
    head_dim: int
    theta: float


def read_decoder(folder: Path) -> DecoderShape:
    """Return the shape of a checkpoint's decoder.

    Raises: NotFound, InvalidInput naming the file when it is a variant this code does not run.
    """
    path = folder / "config.json"
    config = read_object(path)
    rope = _rope(config)
    refused = {
        "attention_bias": bool(config.get("attention_bias")),
        "use_sliding_window": bool(config.get("use_sliding_window")),
        "rope_type": rope.get("rope_type", "default") != "default",
    }
    for name, is_refused in refused.items():
        if is_refused:
            raise InvalidInput(f"{name} is set to what this code does not run", str(path))
    try:
        return DecoderShape(
            key_heads=config["num_key_value_heads"], head_dim=config["head_dim"], theta=float(rope["rope_theta"])
        )
    except KeyError as error:
        raise InvalidInput(f"lacks {error}", str(path)) from error


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rotary settings: an object of their own in newer files, spread over the rest in older ones."""
    if isinstance(config.get("rope_parameters"), dict):
        return dict(config["rope_parameters"])
    scaling = config.get("rope_scaling") or {}
    theta = {"rope_theta": config["rope_theta"]} if "rope_theta" in config else {}
    return {"rope_type": scaling.get("rope_type", scaling.get("type", "default")), **theta}
