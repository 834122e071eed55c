"""Infrastructure as code: the blocks of Terraform's HCL, and the stages of a Dockerfile."""

from __future__ import annotations

from typing import Final

from ingest.chunkers.code_grammar import Chain, Definition, Grammar, text_of

_LABELS: Final = ("identifier", "string_lit")
_PREFIXES: Final = {"resource": "", "variable": "var"}


def _labels(chain: Chain) -> tuple[str, ...]:
    """Return a block's address as Terraform writes it: `aws_s3_bucket.logs`, `module.vpc`, `var.region`."""
    kind, *labels = (text_of(child).strip('"') for child in chain[-1].named_children if child.type in _LABELS)
    head = _PREFIXES.get(kind, kind)
    return (".".join((head, *labels) if head else labels) or kind,)


def _stage(chain: Chain) -> tuple[str, ...]:
    """Return the name of a build stage, the image's where it has none."""
    names = {child.type: text_of(child) for child in chain[-1].named_children}
    return (names.get("image_alias") or names.get("image_spec") or "?",)


HCL: Final = Grammar(
    "tree_sitter_hcl",
    {"block": Definition("block", _labels)},
    open_nodes=frozenset({"body"}),
    bodies=frozenset({"body"}),
)
DOCKERFILE: Final = Grammar("tree_sitter_dockerfile", {"from_instruction": Definition("stage", _stage)}, sections=True)
