"""Every language that is read by its structure: what its chunks are, and that they hold the whole file."""

import sys
from datetime import UTC, datetime
from functools import cache

import pytest
from code_samples import SAMPLES, Sample
from fake_tokens import FakeTokens
from hypothesis import given
from hypothesis import strategies as st

from ingest import sandbox
from ingest.chunkers import StructureChunker
from ingest.chunkers.code_grammar import Grammar
from ingest.chunkers.code_languages import GRAMMARS, reader_of
from ingest.chunkers.code_tree import load_language, parse
from ingest.chunkers.source import SourceText, clean_text
from ingest.media_types import media_type_of
from ingest.sandbox import Limits, Sandbox
from ingest.yaml_outline import read_outlines
from shirabe.types import Chunk, Document

TOKENS = FakeTokens()
PATHS = [sample.path for sample in SAMPLES]
ROOM = 400


def chunks(path: str, text: str, max_tokens: int = ROOM) -> list[Chunk]:
    content = text.encode("utf-8", "surrogatepass")
    media_type = media_type_of(path, content[:100])
    assert media_type is not None
    document = Document("d", "s", path, path, "", content, media_type, "r", datetime(2026, 4, 1, tzinfo=UTC))
    return StructureChunker(TOKENS, max_tokens)._chunk(document)


def listed(found: list[Chunk]) -> list[str]:
    return [f"{c.kind} {c.meta.get('symbol', '-')} {c.meta['start_line']}" for c in found]


def assert_whole(text: str, found: list[Chunk], max_tokens: int) -> None:
    """Every line that is not blank is in the chunks once and in order, each where its locator says."""
    clean = clean_text(text)
    lines = clean.split("\n")
    assert "".join("".join(c.text.split()) for c in found) == "".join(clean.split())
    for chunk in found:
        assert TOKENS.count(chunk.embedded_text) <= max_tokens
        first, last = chunk.meta["start_line"], chunk.meta["end_line"]
        assert chunk.locator.endswith(f"#L{first}-L{last}")
        shown = "\n".join(lines[first - 1 : last])
        if "start_column" in chunk.meta:
            start = chunk.meta["start_column"] - 1
            end = len(shown) - len(lines[last - 1]) + chunk.meta["end_column"]
            shown = shown[start:end]
        assert chunk.text == shown


@pytest.mark.parametrize("sample", SAMPLES, ids=PATHS)
def test_definitions_are_units_with_their_names_and_comments(sample: Sample) -> None:
    found = chunks(sample.path, sample.text)
    assert listed(found) == list(sample.units)
    assert_whole(sample.text, found, ROOM)
    assert {c.meta["language"] for c in found} == {found[0].meta["language"]}
    assert all(
        c.meta["symbol_kind"] == c.kind and c.meta["symbol"] == ".".join(c.headings) for c in found if c.headings
    )


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.tight], ids=[s.path for s in SAMPLES if s.tight])
def test_what_is_inside_is_cut_out_where_the_whole_does_not_fit(sample: Sample) -> None:
    found = chunks(sample.path, sample.text, 48)
    assert [unit for unit in sample.tight if unit not in listed(found)] == []
    assert_whole(sample.text, found, 48)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "a.py",
            "import os.path\nfrom web.params import (\n    Depends,\n    Path as P,\n)\n\n\n"
            "def f(x=Depends(P)):\n    params\n",
            ["from web.params import ( Depends, Path as P, )"],
        ),
        (
            "a.go",
            'package a\n\nimport (\n\t"net/http"\n\tlog "a.example/b/v2"\n)\n\n'
            "func F() {\n\tlog.Print(http.StatusOK)\n}\n",
            ['"net/http"', 'log "a.example/b/v2"'],
        ),
        (
            "a.ts",
            'import { A, type B as C } from "./b";\nimport d from "d";\nfunction f(x: C) {}\n',
            ['import { A, type B as C } from "./b";'],
        ),
        (
            "A.java",
            "import java.util.*;\nimport jp.akane.Order;\nclass A { Order order; }\n",
            ["import jp.akane.Order;"],
        ),
        ("a.rs", "use std::{fmt, io::Read};\nfn f(x: Read) {}\n", ["use std::{fmt, io::Read};"]),
        ("a.php", "<?php\nuse Akane\\Store;\nfunction f(Store $s) {}\n", ["use Akane\\Store;"]),
        ("a.kt", "import jp.akane.Order\nfun f(order: Order) {\n}\n", ["import jp.akane.Order"]),
    ],
)
def test_a_unit_knows_the_imports_that_it_uses(path: str, text: str, expected: list[str]) -> None:
    found = chunks(path, text)
    assert found[-1].meta["imports"] == expected
    assert "imports" not in found[0].meta
    assert "import" not in found[-1].context


@pytest.mark.parametrize("sample", SAMPLES, ids=PATHS)
def test_a_windows_file_gives_the_same_chunks(sample: Sample) -> None:
    crlf = chunks(sample.path, sample.text.replace("\n", "\r\n"))
    assert [(c.text, c.locator, c.content_hash) for c in crlf] == [
        (c.text, c.locator, c.content_hash) for c in chunks(sample.path, sample.text)
    ]


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, str]:
    """A sample with lines left out, doubled, moved and cut."""
    sample = draw(st.sampled_from(SAMPLES))
    lines = sample.text.split("\n")
    order = draw(st.lists(st.integers(0, len(lines) - 1), max_size=30))
    picked = [lines[index] for index in order]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(len(picked) - 1, 0)))
        picked[at:at] = [draw(st.text(alphabet="ab(){}[];:=<>\"'`$#/*-.,\\ \t調", max_size=20))]
    ending = draw(st.sampled_from(["\n", "\r\n", "\n\n", "\r"]))
    return sample.path, ending.join(picked)


@given(broken(), st.integers(24, 200))
def test_broken_code_loses_nothing(case: tuple[str, str], max_tokens: int) -> None:
    path, text = case
    assert_whole(text, chunks(path, text, max_tokens), max_tokens)


class NoTokens(FakeTokens):
    """Counts nothing: for readers, which need only the text."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        return []


LANGUAGES = {sample.path: sample.media_type.removeprefix("text/x-") for sample in SAMPLES}


@cache
def one_path_a_language() -> list[str]:
    return list({sample.media_type + sample.path.rpartition(".")[2]: sample.path for sample in SAMPLES}.values())


@pytest.mark.parametrize("path", one_path_a_language())
def test_hostile_files_are_whole_too(path: str) -> None:
    for text in ("", "\n \n", "x = f(a, 'b'); " * 2_000, '"${' * 2_000, "{\u2028\x85\ufffe"):
        assert_whole(text, chunks(path, text, 2_000), 2_000)


@pytest.mark.parametrize("path", one_path_a_language())
def test_brackets_as_deep_as_anyone_likes_are_read(path: str) -> None:
    source = SourceText("[" * 100_000 + "{" * 100, NoTokens())
    if path.endswith((".yaml", ".yml")):
        assert read_outlines(source.text) is None
    else:
        reader, _ = reader_of(path, LANGUAGES[path], source.text)
        assert reader is not None
        assert len(reader(source).units) <= 1


def test_a_line_of_a_megabyte_is_cut() -> None:
    text = "const value = call(a, 'b'); " * 37_500
    assert_whole(text, chunks("app.ts", text, 4_000), 4_000)


def test_a_file_that_a_grammar_never_finishes_has_no_units(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Sandbox(Limits(cpu_s=1))
    monkeypatch.setattr(sandbox, "_of_this_process", lambda: limited)
    text = "A<" * 20_000
    try:
        found = chunks("a.cs", text, 4_000)
    finally:
        limited.close()
    assert {c.kind for c in found} == {"module"}
    assert_whole(text, found, 4_000)


@pytest.mark.parametrize("name", sorted(GRAMMARS))
def test_every_record_names_nodes_that_its_grammar_has(name: str) -> None:
    grammar: Grammar = GRAMMARS[name]
    root = parse("", grammar)
    assert root is not None
    language = load_language(grammar.module, grammar.function)
    known: set[str | None] = {language.node_kind_for_id(number) for number in range(language.node_kind_count)}
    fields = {language.field_name_for_id(number) for number in range(1, language.field_count + 1)}
    steps = {step for steps in grammar.wrappers.values() for step in steps if isinstance(step, str)}
    assert set(grammar.definitions) | set(grammar.wrappers) | grammar.bodies <= known
    assert steps <= fields
    assert grammar.above & known


def test_a_grammar_is_loaded_with_the_first_file_of_its_language() -> None:
    import subprocess

    code = (
        "import sys; from ingest.chunkers import StructureChunker; import ingest.chunkers.code_languages;"
        "print([name for name in sys.modules if name.startswith(('tree_sitter', 'graphql'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
