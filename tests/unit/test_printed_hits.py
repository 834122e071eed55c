"""What `shirabe search` prints of a hit."""

from __future__ import annotations

from typing import Any

import pytest

from shirabe.cli.read_commands import print_hits

HIT = {
    "title": "routing.py",
    "locator": "routing.py#L12",
    "source": "src",
    "kind": "function",
    "lang": "python",
    "revision": "abc",
    "text": "@decorated\ndef f(a: A) -> B:\n    return [b]",
    "highlights": ["def <em>f</em>(a: A) -&gt; B:", "    return [<em>b</em>]"],
}


@pytest.mark.parametrize(
    ("more", "printed"),
    [({"lines": [12, 13]}, ["def f(a: A) -> B:", "return [b]"]), ({}, ["@decorated def f(a: A) -> B: return [b]"])],
)
def test_the_lines_that_were_asked_for_are_printed_as_they_are_written(
    capsys: pytest.CaptureFixture[str], more: dict[str, Any], printed: list[str]
) -> None:
    print_hits({"hits": [HIT | more], "took_ms": 1.0, "stages_ms": {}, "degraded": []})
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:-1] == printed
