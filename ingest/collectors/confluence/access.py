"""Who may see a page: everyone that every gate on the way to it lets in; who cannot be told is let in nowhere.

A page lies behind the gate of its space, those of its ancestors, and its own. A principal that a gate does not name
passes it when it is a person in a group that the gate names; a group that only some gates name is its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ingest.collectors.confluence.content import GROUP, NOBODY, OPEN, USER
from shirabe.types import Acl


def unknown_groups(gates: Sequence[Acl], members: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the groups whose members decide who passes all gates and are not known yet."""
    closed = [gate for gate in gates if not gate.public]
    names = {name for gate in closed for name in gate.principals if name.startswith(GROUP)}
    decided = len({gate.principals for gate in closed}) <= 1 or any(gate == NOBODY for gate in closed)
    return set() if decided else names - members.keys()


def passing(gates: Iterable[Acl], members: Mapping[str, Sequence[str]]) -> Acl:
    """Return who passes every gate. `members`: the principals in each group; a group that is absent has nobody."""
    left = OPEN
    for gate in gates:
        if gate.public or gate == left:
            continue
        if left.public:
            left = gate
            continue
        left = Acl(principals=tuple(sorted(_both(left, gate, members))))
    return left


def _both(left: Acl, right: Acl, members: Mapping[str, Sequence[str]]) -> set[str]:
    named = set(left.principals) & set(right.principals)
    people = _people(left, members) & _people(right, members)
    # Who is in a group that passes need not be named besides.
    inside = {person for name in named if name.startswith(GROUP) for person in members.get(name, ())}
    return named | (people - inside)


def _people(gate: Acl, members: Mapping[str, Sequence[str]]) -> set[str]:
    people = {name for name in gate.principals if name.startswith(USER)}
    return people | {person for name in gate.principals for person in members.get(name, ())}
