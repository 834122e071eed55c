"""Documents into structure-true chunks: one module per kind of document, one for cutting, one that dispatches."""

from typing import Final

from ingest.chunkers.structure import StructureChunker

CHUNKER_VERSION: Final = "5"
"""Part of an index generation's identity: raised whenever the same document would give other chunks."""

__all__ = ["CHUNKER_VERSION", "StructureChunker"]
