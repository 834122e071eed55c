"""Languages of the browser: JavaScript and TypeScript, JSX included."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ingest.chunkers.code_grammar import COMMENTS, Chain, Definition, Grammar, text_of, titled

if TYPE_CHECKING:
    from tree_sitter import Node

_TEST: Final = re.compile(r"^(?:describe|context|suite|it|test|specify)(?:\.(?:only|skip|concurrent|todo))?$")
_MODULE_EXPORTS: Final = re.compile(r"^(?:module\.)?exports\.?|^this\.")


def _assigned(chain: Chain) -> tuple[str, ...]:
    """Return the name that a nameless function or class is given where it is defined; without one it is none."""
    own = chain[-1].child_by_field_name("name")
    for node in chain:
        if node.type == "variable_declarator":
            return (text_of(node.child_by_field_name("name")),)
        if node.type in ("public_field_definition", "field_definition"):
            return (text_of(node.child_by_field_name("name") or node.child_by_field_name("property")),)
        if node.type == "assignment_expression":
            left = _MODULE_EXPORTS.sub("", text_of(node.child_by_field_name("left")))
            return tuple(part for part in left.split(".") if part != "prototype") or ("default",)
    if own is not None:
        return (text_of(own),)
    return ("default",) if chain[0].type == "export_statement" else ()


def _tested(chain: Chain) -> tuple[str, ...]:
    """Return the title of a call that describes or runs tests."""
    function = chain[-1].child_by_field_name("function")
    if function is None or function.type not in ("identifier", "member_expression"):
        return ()
    return titled(chain[-1]) if _TEST.match(text_of(function)) else ()


def _callback(node: Node) -> Node | None:
    """Return the body of the function that a call takes last."""
    arguments = node.child_by_field_name("arguments")
    count = arguments.named_child_count if arguments is not None else 0
    last = arguments.named_child(count - 1) if arguments is not None and count else None
    return last.child_by_field_name("body") if last is not None else None


_FUNCTION: Final = Definition("function", _assigned)
_CLASS: Final = Definition("class", _assigned, members=True)

JAVASCRIPT: Final = Grammar(
    "tree_sitter_javascript",
    {
        "function_declaration": _FUNCTION,
        "generator_function_declaration": _FUNCTION,
        "function_expression": _FUNCTION,
        "generator_function": _FUNCTION,
        "arrow_function": _FUNCTION,
        "method_definition": Definition("function"),
        "class_declaration": _CLASS,
        "class": _CLASS,
        "call_expression": Definition("test", _tested, members=True, bodied=True, body=_callback),
    },
    wrappers={
        "export_statement": ("declaration", "value"),
        "lexical_declaration": (0,),
        "variable_declaration": (0,),
        "variable_declarator": ("value",),
        "field_definition": ("value",),
        "expression_statement": (0,),
        "assignment_expression": ("right",),
        "call_expression": ("arguments",),  # `const Card = memo(function Card() {…})`
        "arguments": (0,),
    },
    above=COMMENTS | {"decorator"},
    imports=frozenset({"import_statement"}),
)
TYPESCRIPT: Final = Grammar(
    "tree_sitter_typescript",
    {
        **JAVASCRIPT.definitions,
        "abstract_class_declaration": _CLASS,
        "function_signature": Definition("function", described=True),
        "method_signature": Definition("function", described=True),
        "abstract_method_signature": Definition("function", described=True),
        "interface_declaration": Definition("interface"),
        "enum_declaration": Definition("enum"),
        "type_alias_declaration": Definition("type"),
        "internal_module": Definition("namespace", spread=True),
        "module": Definition(
            "module", lambda chain: (text_of(chain[-1].child_by_field_name("name")).strip("\"'"),), spread=True
        ),
    },
    function="language_typescript",
    wrappers={
        **{node: steps for node, steps in JAVASCRIPT.wrappers.items() if node != "field_definition"},
        "ambient_declaration": (0,),
        "public_field_definition": ("value",),
    },
    above=JAVASCRIPT.above,
    imports=JAVASCRIPT.imports,
)
TSX: Final = replace(TYPESCRIPT, function="language_tsx")
