"""Scripting languages: Python, Ruby, PHP and the shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ingest.chunkers.code_grammar import Chain, Definition, Grammar, text_of, titled

if TYPE_CHECKING:
    from tree_sitter import Node

_BLOCK: Final = re.compile(
    r"^(?:describe|context|feature|it|specify|scenario|test|shared_(?:examples|examples_for|context)|namespace|task)$"
)


def _called(chain: Chain) -> tuple[str, ...]:
    """Return the title of a call whose block is a group of tests, a test or a task."""
    node = chain[-1]
    if node.child_by_field_name("block") is None:
        return ()
    return titled(node) if _BLOCK.match(text_of(node.child_by_field_name("method"))) else ()


def _block(node: Node) -> Node | None:
    return node.child_by_field_name("block")


_TYPE: Final = Definition("class", members=True)

PYTHON: Final = Grammar(
    "tree_sitter_python",
    {"function_definition": Definition("function"), "class_definition": _TYPE},
    wrappers={"decorated_definition": ("definition",)},
    imports=frozenset({"import_statement", "import_from_statement"}),
)
RUBY: Final = Grammar(
    "tree_sitter_ruby",
    {
        "class": _TYPE,
        "module": Definition("module", spread=True),
        "method": Definition("function"),
        "singleton_method": Definition("function"),
        "call": Definition("block", _called, members=True, body=_block),
    },
    wrappers={"call": ("arguments",), "argument_list": (0,)},  # `private def f`
    open_nodes=frozenset({"body_statement", "do_block", "singleton_class"}),
)
PHP: Final = Grammar(
    "tree_sitter_php",
    {
        "namespace_definition": Definition("namespace", spread=True),
        "class_declaration": _TYPE,
        "interface_declaration": Definition("interface", members=True),
        "trait_declaration": Definition("trait", members=True),
        "enum_declaration": Definition("enum", members=True),
        "function_definition": Definition("function"),
        "method_declaration": Definition("function"),
    },
    function="language_php",
    imports=frozenset({"namespace_use_declaration"}),
)
SHELL: Final = Grammar("tree_sitter_bash", {"function_definition": Definition("function")})
