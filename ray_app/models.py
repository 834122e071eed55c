"""The models this project knows: one frozen record each, and how a checkpoint folder is recognised.

A record says everything that decides what a vector means, so no other code asks for a model by name. A revision is a
commit of the Hugging Face hub, the checksums are those of that commit's weights; both come from public locks that agree
with each other. Where the revision is None the model is taken as found and identified by its own checksums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from shirabe.errors import InvalidInput
from shirabe.types import ALL_OUTPUTS, Output

Family = Literal["bert", "xlm-roberta", "qwen3"]
Pooling = Literal["cls", "mean", "last"]
Role = Literal["embedder", "reranker"]

_WEB_SEARCH: Final = "Given a web search query, retrieve relevant passages that answer the query"
_HUB_PREFIX: Final = "models--"


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What a model is, apart from its weights.

    `dim` is the width of its dense vectors. `max_tokens` is the longest input it was made for, special tokens counted.
    `query_prefix` and `passage_prefix` go before each text of that kind; `{instruction}` in the former stands for the
    task that a query is part of. `smallest_dim` is set where vectors may be cut to fewer dimensions (Matryoshka), down
    to that many. `sha256` maps a weight file of `revision` to its checksum.
    """

    name: str
    role: Role
    pooling: Pooling
    dim: int
    max_tokens: int
    licence: str
    outputs: tuple[Output, ...] = ("dense",)
    query_prefix: str = ""
    passage_prefix: str = ""
    instruction: str | None = None
    smallest_dim: int | None = None
    revision: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_heads(self) -> bool:
        """Whether sparse weights and token vectors come with the dense vector (BGE-M3's layout)."""
        return "sparse" in self.outputs

    @property
    def short_name(self) -> str:
        """The name without its organisation, in lower case."""
        return self.name.rpartition("/")[2].lower()

    def query_prefix_for(self, instruction: str | None) -> str:
        """Return what goes before a query, with another instruction than the record's where one is given.

        Raises: InvalidInput when the model is not told what the task is.
        """
        if self.instruction is None:
            if instruction is not None:
                raise InvalidInput(f"{self.name} takes no instruction", "instruction")
            return self.query_prefix
        return self.query_prefix.replace("{instruction}", instruction or self.instruction)


M3_MINI: Final = ModelRecord(
    name="m3-mini",
    role="embedder",
    pooling="mean",
    dim=384,
    max_tokens=512,
    licence="MIT",
    outputs=ALL_OUTPUTS,
    query_prefix="query: ",
    passage_prefix="passage: ",
)
BGE_M3: Final = ModelRecord(
    name="BAAI/bge-m3",
    role="embedder",
    pooling="cls",
    dim=1024,
    max_tokens=8192,
    licence="MIT",
    outputs=ALL_OUTPUTS,
    revision="5617a9f61b028005a4858fdac845db406aefb181",
    sha256={
        "pytorch_model.bin": "b5e0ce3470abf5ef3831aa1bd5553b486803e83251590ab7ff35a117cf6aad38",
        "sparse_linear.pt": "45c93804d2142b8f6d7ec6914ae23a1eee9c6a1d27d83d908a20d2afb3595ad9",
        "colbert_linear.pt": "19bfbae397c2b7524158c919d0e9b19393c5639d098f0a66932c91ed8f5f9abb",
    },
)
BGE_RERANKER_V2_M3: Final = ModelRecord(
    name="BAAI/bge-reranker-v2-m3",
    role="reranker",
    pooling="cls",
    dim=1024,
    max_tokens=8192,
    licence="Apache-2.0",
    outputs=(),
    revision="953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e",
    sha256={"model.safetensors": "d9e3e081faff1eefb84019509b2f5558fd74c1a05a2c7db22f74174fcedb5286"},
)


def _qwen3(size: str, dim: int, revision: str, sha256: Mapping[str, str]) -> ModelRecord:
    return ModelRecord(
        name=f"Qwen/Qwen3-Embedding-{size}",
        role="embedder",
        pooling="last",
        dim=dim,
        max_tokens=32768,
        licence="Apache-2.0",
        query_prefix="Instruct: {instruction}\nQuery:",
        instruction=_WEB_SEARCH,
        smallest_dim=32,
        revision=revision,
        sha256=sha256,
    )


def _e5(size: str, dim: int, revision: str, sha256: Mapping[str, str]) -> ModelRecord:
    return ModelRecord(
        name=f"intfloat/multilingual-e5-{size}",
        role="embedder",
        pooling="mean",
        dim=dim,
        max_tokens=512,
        licence="MIT",
        query_prefix="query: ",
        passage_prefix="passage: ",
        revision=revision,
        sha256=sha256,
    )


RECORDS: Final[tuple[ModelRecord, ...]] = (
    M3_MINI,
    BGE_M3,
    BGE_RERANKER_V2_M3,
    _qwen3(
        "0.6B",
        1024,
        "97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3",
        {"model.safetensors": "0437e45c94563b09e13cb7a64478fc406947a93cb34a7e05870fc8dcd48e23fd"},
    ),
    _qwen3("4B", 2560, "5cf2132abc99cad020ac570b19d031efec650f2b", {}),
    _qwen3("8B", 4096, "1d8ad4ca9b3dd8059ad90a75d4983776a23d44af", {}),
    _e5(
        "small",
        384,
        "614241f622f53c4eeff9890bdc4f31cfecc418b3",
        {"model.safetensors": "1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477"},
    ),
    _e5(
        "base",
        768,
        "d128750597153bb5987e10b1c3493a34e5a4502a",
        {"model.safetensors": "a18a44fad1d0b46ded15928144138cff1135d5cc8233bdd90be5f18822de09a7"},
    ),
    _e5("large", 1024, "3d7cfbdacd47fdda877c5cd8a79fbcc4f2a574f3", {}),
)


def check_dim(name: str, dim: int, full: int, smallest: int | None) -> None:
    """Raise InvalidInput unless a model's vectors of `full` dimensions may be cut to `dim`; None: not at all."""
    if dim == full:
        return
    if smallest is None:
        raise InvalidInput(f"{name} gives {full} dimensions, no other number", "dimensions")
    if not smallest <= dim <= full:
        raise InvalidInput(f"{name} gives {smallest} to {full} dimensions, not {dim}", "dimensions")


def named(name: str) -> ModelRecord | None:
    """Return the record of a name such as `BAAI/bge-m3` or `bge-m3`, in any case."""
    wanted = name.lower()
    return next((record for record in RECORDS if wanted in (record.name.lower(), record.short_name)), None)


def recognise(folder: Path, config_name: str, role: Role) -> ModelRecord | None:
    """Return the record of a checkpoint folder: by its place in a hub cache, its own name, or its configuration's.

    `config_name` is `_name_or_path` of config.json, empty where there is none. It may name what a model was made from,
    so it counts only for a model of the same role.
    """
    hub = folder.parent.parent.name
    in_hub = folder.parent.name == "snapshots" and hub.startswith(_HUB_PREFIX)
    found = named(hub.removeprefix(_HUB_PREFIX).replace("--", "/") if in_hub else folder.name)
    if found is not None:
        return found
    origin = named(config_name)
    return origin if origin is not None and origin.role == role else None
