"""Object languages: Java, Kotlin and C#."""

from __future__ import annotations

from typing import Final

from ingest.chunkers.code_grammar import Chain, Definition, Grammar, text_of

_CLASS: Final = Definition("class", members=True)
_INTERFACE: Final = Definition("interface", members=True)
_ENUM: Final = Definition("enum", members=True)
_RECORD: Final = Definition("record", members=True)
_FUNCTION: Final = Definition("function")


def _companion(chain: Chain) -> tuple[str, ...]:
    """Return the name of a companion object, which has one of its own only rarely."""
    name = chain[-1].child_by_field_name("name")
    return ("Companion" if name is None else text_of(name),)


JAVA: Final = Grammar(
    "tree_sitter_java",
    {
        "class_declaration": _CLASS,
        "interface_declaration": _INTERFACE,
        "enum_declaration": _ENUM,
        "record_declaration": _RECORD,
        "annotation_type_declaration": Definition("annotation"),
        "method_declaration": _FUNCTION,
        "constructor_declaration": _FUNCTION,
        "compact_constructor_declaration": _FUNCTION,
    },
    open_nodes=frozenset({"enum_body_declarations"}),
    imports=frozenset({"import_declaration"}),
)
KOTLIN: Final = Grammar(
    "tree_sitter_kotlin",
    {
        "class_declaration": _CLASS,
        "object_declaration": Definition("object", members=True),
        "companion_object": Definition("object", _companion, members=True),
        "function_declaration": _FUNCTION,
        "secondary_constructor": Definition("function", lambda _: ("constructor",)),
        "type_alias": Definition("type", lambda chain: (text_of(chain[-1].child_by_field_name("type")),)),
    },
    bodies=frozenset({"class_body", "enum_class_body", "function_body", "block"}),
    imports=frozenset({"import"}),
)
CSHARP: Final = Grammar(
    "tree_sitter_c_sharp",
    {
        "namespace_declaration": Definition("namespace", spread=True),
        "class_declaration": _CLASS,
        "struct_declaration": Definition("struct", members=True),
        "record_declaration": _RECORD,
        "interface_declaration": _INTERFACE,
        "enum_declaration": Definition("enum"),
        "delegate_declaration": Definition("delegate"),
        "method_declaration": _FUNCTION,
        "constructor_declaration": _FUNCTION,
        "destructor_declaration": _FUNCTION,
        "operator_declaration": Definition(
            "function", lambda chain: (f"operator {text_of(chain[-1].child_by_field_name('operator'))}",)
        ),
        "local_function_statement": _FUNCTION,
        "property_declaration": Definition("property", described=True),
    },
    wrappers={"global_statement": (0,)},
    open_nodes=frozenset({"preproc_if", "preproc_else", "preproc_elif"}),
)
