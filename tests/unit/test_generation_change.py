"""What follows what answers in two indices, and what a change of one of them, or of both, does to the aliases."""

from __future__ import annotations

from opensearch.generations import Generation
from opensearch.history import ITSELF, with_event
from opensearch.pair import Own
from shirabe.cli.generation_change import Change, Together, partner
from shirabe.cli.live import followers_of


def generation(name: str, **created: str) -> Generation:
    return Generation(name, f"uuid of {name}", with_event({}, "created", **created))


LEAD, ALONE = generation("x-1"), generation("x-2")
WHOLE = generation("x-3", code=ITSELF)
BOUND = generation("x-4", code="x-code-4")
CODE, CODE_ALONE, CODE_BOUND = (generation(f"x-code-{number}") for number in (1, 2, 4))


def followers(
    others: list[Generation], code: Generation | None, code_others: list[Generation]
) -> list[tuple[str, str | None, Own]]:
    found = followers_of(LEAD, others, code, code_others)
    return [(prose.name, of_code.name if of_code else None, own) for prose, of_code, own in found]


def test_each_follower_is_written_with_its_partner_or_with_what_answers() -> None:
    assert followers([ALONE, WHOLE, BOUND], CODE, [CODE_ALONE, CODE_BOUND]) == [
        ("x-2", "x-code-1", "prose"),
        ("x-3", None, "both"),
        ("x-4", "x-code-4", "both"),
        ("x-1", "x-code-2", "code"),
    ]


def test_where_no_code_lies_apart_only_a_pair_is_written_to_two() -> None:
    assert followers([ALONE, BOUND], None, [CODE_BOUND]) == [("x-2", None, "prose"), ("x-4", "x-code-4", "both")]


def test_half_a_pair_is_not_written() -> None:
    assert followers([BOUND], None, []) == []
    assert followers([BOUND], CODE, [CODE_ALONE]) == [("x-1", "x-code-2", "code")]
    assert followers([BOUND], CODE_BOUND, []) == [("x-4", "x-code-4", "prose")], "its partner answers by itself"


def test_a_change_of_one_index_leaves_the_other() -> None:
    prose = Change(Together(LEAD, CODE), Together(ALONE, CODE))
    assert (prose.of_prose, prose.of_both, prose.names) == (True, False, ("x-1", "x-2"))
    assert (prose.follower, prose.sides) == (ALONE, [(False, LEAD, ALONE)])
    code = Change(Together(LEAD, CODE), Together(LEAD, CODE_ALONE))
    assert (code.of_prose, code.of_both, code.names) == (False, False, ("x-code-1", "x-code-2"))
    assert (code.follower, code.sides) == (CODE_ALONE, [(True, CODE, CODE_ALONE)])


def test_a_change_of_both_is_named_by_both_and_followed_by_the_first() -> None:
    anew = Change(Together(LEAD, CODE), Together(BOUND, CODE_BOUND))
    assert (anew.of_both, anew.names) == (True, ("x-1 + x-code-1", "x-4 + x-code-4"))
    assert (anew.follower, anew.sides) == (BOUND, [(False, LEAD, BOUND), (True, CODE, CODE_BOUND)])
    apart = Change(Together(LEAD, None), Together(BOUND, CODE_BOUND))
    assert (apart.of_both, apart.names) == (True, ("x-1", "x-4 + x-code-4"))
    assert apart.sides == [(False, LEAD, BOUND), (True, None, CODE_BOUND)]
    back = Change(apart.then, apart.now)
    assert (back.of_both, back.follower, back.sides[1]) == (True, LEAD, (True, CODE_BOUND, None))


def test_partners_know_each_other() -> None:
    bound = [(BOUND, CODE_BOUND)]
    assert (partner(bound, BOUND), partner(bound, CODE_BOUND), partner(bound, ALONE)) == (CODE_BOUND, BOUND, None)
