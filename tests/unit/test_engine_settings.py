"""What the engine is configured to do is refused where it cannot be done."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shirabe.settings import Compression, load_settings


@pytest.mark.parametrize("compression", ["2x", "8x", "16x", "32x"])
def test_the_embedded_node_compresses_only_what_lucene_does(compression: Compression) -> None:
    with pytest.raises(ValidationError, match=f"compression {compression} needs k-NN's native library"):
        load_settings(opensearch={"compression": compression})
    cluster = {"compression": compression, "url": "https://opensearch.internal:9200"}
    assert load_settings(opensearch=cluster).opensearch.compression == compression


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(ValidationError, match="compression"):
        load_settings(opensearch={"compression": "3x"})
