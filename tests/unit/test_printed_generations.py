"""What `shirabe index` prints of generations that are switched together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.copying import Copied
from shirabe.cli.generation_build import BuildReport
from shirabe.cli.generation_switch import Row
from shirabe.cli.index_output import build_fields, print_build, print_row


def test_a_build_of_both_names_both_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    report = BuildReport("x-code-000001", "x-000001", "coder", 64, {"docs": Copied(chunks=3)}, together="x-000002")
    print_build(report, code=True)
    printed = " ".join(capsys.readouterr().out.split())
    assert "x-code-000001 and x-000002 beside x-000001: coder, 64 dimensions" in printed
    assert "verified, promoted and rolled back together" in printed
    assert "shirabe index verify x-code-000001 --code" in printed
    assert build_fields(report)["together"] == "x-000002"


def test_a_generation_says_what_it_is_switched_together_with(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row(
        name="x-code-000001",
        state="candidate",
        model="coder",
        model_revision="1",
        dim=64,
        chunker_version="5",
        analyzer_version="5",
        compression="1x",
        user_dictionary="",
        japanese="kuromoji",
        documents=1,
        chunks=3,
        bytes=9,
        behind=0,
        together="x-000002",
        built="2026-01-01T00:00:00+00:00",
        verified=None,
        passed=None,
        promoted=None,
        forced=False,
        history=(),
    )
    print_row(row)
    assert "switched together with x-000002" in capsys.readouterr().out
    print_row(replace(row, together=None))
    assert "together" not in capsys.readouterr().out
