import pytest
from api_files import gathered

from ingest.openapi_files import ApiFiles, Gathering, Target, has_file_refs, target_of
from shirabe.errors import InvalidInput


def test_files_are_gathered_through_each_other() -> None:
    files = gathered(
        {
            "api.yaml": "a: {$ref: b.yaml}\nd: {discriminator: {mapping: {x: deep/c.json}}}\nt: {$ref: intro.md}\n",
            "b.yaml": "[{$ref: 'missing.yaml#/a'}, {$ref: 'https://example.com/x.yaml'}, {$ref: ../out.yaml}]",
            "deep/c.json": '{"$ref": "../b.yaml", "e": {"$ref": "api.yaml"}}',
            "intro.md": "$ref: other.yaml",
        }
    )
    assert set(files.texts) == {"api.yaml", "b.yaml", "deep/c.json", "intro.md"}
    assert set(files.unread) == {"missing.yaml", "deep/api.yaml"}
    assert ApiFiles.decoded(files.encoded().decode()) == files


def test_a_file_that_cannot_be_parsed_names_no_others() -> None:
    files = gathered({"api.yaml": "a: {$ref: b.yaml}", "b.yaml": "{$ref: c.yaml", "c.yaml": "x: 1"})
    assert set(files.texts) == {"api.yaml", "b.yaml"}


def test_what_aliases_repeat_is_looked_at_once() -> None:
    bomb = "a: &a [{$ref: b.yaml}]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(5)
    )
    gathering = Gathering("api.yaml", bomb.encode())
    assert gathering.wanted == "b.yaml"
    gathering.add("b.yaml", b"{}")
    assert gathering.wanted is None


def test_the_files_of_one_description_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.openapi_files.MAX_CHARS", 100)
    gathering = Gathering("api.yaml", b"a: {$ref: b.yaml}")
    with pytest.raises(InvalidInput, match="more than"):
        gathering.add("b.yaml", b"x" * 90)
    monkeypatch.setattr("ingest.openapi_files.MAX_FILES", 1)
    with pytest.raises(InvalidInput, match="more than 1 files"):
        gathered({"api.yaml": "a: {$ref: b.yaml}", "b.yaml": "{}"})


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("#/a~1b", Target("dir/api.yaml", "/a~1b")),
        ("other.yaml", Target("dir/other.yaml", "")),
        ("../up.yaml#/a", Target("up.yaml", "/a")),
        ("./a%20b.yaml#/%7Bid%7D", Target("dir/a b.yaml", "/{id}")),
    ],
)
def test_references_are_taken_from_where_they_stand(reference: str, target: Target) -> None:
    assert target_of(reference, "dir/api.yaml") == target


@pytest.mark.parametrize(
    "reference",
    [
        *("../../x.yaml", "/x.yaml", "%2e%2e/%2e%2e/x.yaml", "..%2F..%2Fx.yaml", "a/../../../x.yaml", "../.."),
        *("https://example.com/x", "HTTP://example.com/x", "file:///x", "file:x", "//host/x", "data:x", "#anchor"),
    ],
)
def test_what_leaves_the_folder_or_the_machine_is_refused(reference: str) -> None:
    with pytest.raises(InvalidInput):
        target_of(reference, "dir/api.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$ref: other.yaml", True),
        ('{"$ref": "other.json#/a"}', True),
        ("$ref: '#/components/schemas/A'", False),
        ('{"$ref": "#/components/schemas/A"}', False),
        ("a: b", False),
    ],
)
def test_references_to_files_are_told_from_those_inside(text: str, expected: bool) -> None:
    assert has_file_refs(text.encode()) == expected
