"""Programming languages: the names that chunks carry, and what developers call them besides."""

from __future__ import annotations

from typing import Final

_ALSO: Final[dict[str, tuple[str, ...]]] = {
    "c": ("h",),
    "clojure": ("clj",),
    "cpp": ("c++", "cc", "cxx", "hpp"),
    "csharp": ("c#", "cs"),
    "css": (),
    "dart": (),
    "dockerfile": ("docker", "containerfile"),
    "elixir": ("ex", "exs"),
    "go": ("golang",),
    "graphql": ("gql",),
    "groovy": (),
    "haskell": ("hs",),
    "java": (),
    "javascript": ("js", "jsx", "node"),
    "kotlin": ("kt", "kts"),
    "lua": (),
    "objective-c": ("objc", "objectivec", "m"),
    "perl": ("pl",),
    "php": (),
    "powershell": ("ps1", "pwsh"),
    "protobuf": ("proto", "proto3"),
    "python": ("py", "python3", "pyi"),
    "r": (),
    "ruby": ("rb",),
    "rust": ("rs",),
    "scala": (),
    "scss": ("sass",),
    "shell": ("sh", "bash", "zsh"),
    "sql": ("mysql", "postgresql", "plsql", "tsql"),
    "swift": (),
    "terraform": ("tf", "hcl"),
    "typescript": ("ts", "tsx"),
    "vue": (),
    "zig": (),
}
CODE_LANGUAGES: Final = tuple(_ALSO)
"""The `lang` of a chunk of code."""

PROSE_LANGUAGES: Final = ("en", "ja")
"""The `lang` of everything else."""

_NAMED: Final = {other: name for name, others in _ALSO.items() for other in (name, *others)} | {
    "english": "en",
    "japanese": "ja",
    **{name: name for name in PROSE_LANGUAGES},
}


def language_named(name: str) -> str | None:
    """Return the `lang` of what somebody calls a language, None when nothing is called so."""
    return _NAMED.get(name.lower())
