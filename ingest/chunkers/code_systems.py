"""Languages of systems: C, C++, Rust and Go."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ingest.chunkers.code_grammar import COMMENTS, Chain, Definition, Grammar, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_DECLARATORS: Final = 16
_ARGUMENTS: Final = re.compile(r"<[^<>]*>")
_RECEIVER: Final = re.compile(r"\(\s*(?:\w+\s+)?\*?\s*(\w+)")


def _declared(chain: Chain) -> tuple[str, ...]:
    """Return what a C declaration declares: the identifier inside pointers, references and parameters."""
    names, _ = _declarator(chain[-1])
    return names


def _prototype(chain: Chain) -> tuple[str, ...]:
    """Return the function that a declaration announces; a variable or a pointer to a function is none."""
    names, is_function = _declarator(chain[-1])
    return names if is_function else ()


def _declarator(node: Node) -> tuple[tuple[str, ...], bool]:
    around = node
    inner = node.child_by_field_name("declarator")
    for _ in range(_MAX_DECLARATORS):
        if inner is None:
            break
        if inner.type == "init_declarator" or not inner.type.endswith("_declarator"):
            return _qualified(text_of(inner)), around.type == "function_declarator"
        around, inner = inner, inner.child_by_field_name("declarator") or inner.named_child(0)
    return (), False


def _qualified(name: str) -> tuple[str, ...]:
    """Return the parts of `Order<T>::close`, template arguments left out."""
    path, operator, rest = " ".join(name.split()).partition("operator")
    parts = _ARGUMENTS.sub("", _ARGUMENTS.sub("", path)).split("::")
    parts[-1] += operator + rest
    return tuple(part.strip() for part in parts if part.strip())


def _tagged(chain: Chain) -> tuple[str, ...]:
    """Return the name of a C struct: the one a `typedef` around it gives, else its tag."""
    if chain[0].type == "type_definition":
        return _declared(chain[:1])
    name = chain[-1].child_by_field_name("name")
    return _qualified(text_of(name)) if name is not None else ()


def _implemented(chain: Chain) -> tuple[str, ...]:
    """Return `Order` for `impl<T> Order<T>`, `Display for Order` for the implementation of a trait."""
    kind, trait = chain[-1].child_by_field_name("type"), chain[-1].child_by_field_name("trait")
    name = _ARGUMENTS.sub("", _ARGUMENTS.sub("", text_of(kind)))
    return (name if trait is None else f"{text_of(trait)} for {name}",)


def _received(chain: Chain) -> tuple[str, ...]:
    """Return a Go method's name under its receiver's type."""
    receiver = _RECEIVER.match(text_of(chain[-1].child_by_field_name("receiver")))
    name = text_of(chain[-1].child_by_field_name("name"))
    return (receiver[1], name) if receiver else (name,)


def _specified(chain: Chain) -> tuple[str, ...]:
    """Return the names of a Go `type` declaration."""
    specs = (child for child in chain[-1].children if child.type in ("type_spec", "type_alias"))
    return (", ".join(text_of(spec.child_by_field_name("name")) for spec in specs) or "?",)


def _struct(kind: str, name: Callable[[Chain], tuple[str, ...]] = _tagged, *, members: bool = False) -> Definition:
    return Definition(kind, name, members=members, bodied=True)


_CONDITIONS: Final = frozenset({"preproc_if", "preproc_ifdef", "preproc_else", "preproc_elif", "preproc_elifdef"})

C: Final = Grammar(
    "tree_sitter_c",
    {
        "function_definition": Definition("function", _declared),
        "declaration": Definition("function", _prototype, described=True),
        "struct_specifier": _struct("struct"),
        "union_specifier": _struct("union"),
        "enum_specifier": _struct("enum"),
        "preproc_function_def": Definition("macro", described=True),
    },
    wrappers={"type_definition": ("type",)},
    open_nodes=_CONDITIONS,
)
CPP: Final = Grammar(
    "tree_sitter_cpp",
    {
        **C.definitions,
        "field_declaration": Definition("function", _prototype, described=True),
        "class_specifier": _struct("class", members=True),
        "struct_specifier": _struct("struct", members=True),
        "concept_definition": Definition("concept"),
        "namespace_definition": Definition(
            "namespace", lambda chain: _qualified(text_of(chain[-1].child_by_field_name("name"))), spread=True
        ),
    },
    wrappers={**C.wrappers, "template_declaration": (-1,)},
    open_nodes=_CONDITIONS | {"linkage_specification", "declaration_list"},
)
RUST: Final = Grammar(
    "tree_sitter_rust",
    {
        "function_item": Definition("function"),
        "function_signature_item": Definition("function", described=True),
        "struct_item": Definition("struct"),
        "enum_item": Definition("enum"),
        "union_item": Definition("union"),
        "type_item": Definition("type"),
        "trait_item": Definition("trait", members=True),
        "impl_item": Definition("impl", _implemented, members=True),
        "macro_definition": Definition("macro"),
        "mod_item": Definition("module", spread=True),
    },
    open_nodes=frozenset({"foreign_mod_item", "declaration_list"}),
    above=COMMENTS | {"attribute_item"},
    imports=frozenset({"use_declaration"}),
)
GO: Final = Grammar(
    "tree_sitter_go",
    {
        "function_declaration": Definition("function"),
        "method_declaration": Definition("method", _received),
        "type_declaration": Definition("class", _specified),
    },
    imports=frozenset({"import_declaration", "import_spec_list", "import_spec"}),
)
