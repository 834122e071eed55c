"""The records of the known models."""

import re

import pytest

from ray_app.models import RECORDS, ModelRecord, named


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_is_consistent(record: ModelRecord) -> None:
    assert named(record.name) is named(record.short_name.upper()) is record
    assert record.revision is None or re.fullmatch("[0-9a-f]{40}", record.revision)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in record.sha256.values())
    assert not record.sha256 or record.revision
    assert ("{instruction}" in record.query_prefix) == (record.instruction is not None)
    assert "{" not in record.query_prefix_for(None)
    assert (record.role == "embedder") == ("dense" in record.outputs)


def test_no_two_records_share_a_name() -> None:
    assert len({record.short_name for record in RECORDS}) == len(RECORDS)
    assert named("bge") is None
