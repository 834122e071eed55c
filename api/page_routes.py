"""The search page and the page of the API, with everything they need from this host."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

FOLDER: Final = Path(__file__).parent / "page"
_PAGES: Final = ("index.html", "docs.html")
_SHARED: Final = ("head", "brand")
"""What stands in every page, as `$head` and `$brand`."""
_MEDIA_TYPES: Final = {
    **dict.fromkeys(_PAGES, "text/html"),
    "search.js": "text/javascript",
    "terms.js": "text/javascript",
    "words.js": "text/javascript",
    "docs.js": "text/javascript",
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
}


def page_routes() -> APIRouter:
    """Return the routes of the pages; the files are read once."""
    contents = {name: (FOLDER / name).read_bytes() for name in _MEDIA_TYPES}
    shared = {name: (FOLDER / f"{name}.html").read_text(encoding="utf-8").strip() for name in _SHARED}
    contents |= {name: Template(contents[name].decode()).substitute(shared).encode() for name in _PAGES}
    routes = APIRouter(include_in_schema=False)

    def answer(name: str) -> Response:
        return Response(contents[name], media_type=_MEDIA_TYPES[name], headers={"Cache-Control": "no-cache"})

    @routes.get("/")
    async def get_search_page() -> Response:
        return answer("index.html")

    @routes.get("/docs")
    async def get_docs_page() -> Response:
        return answer("docs.html")

    @routes.get("/page/{name}")
    async def get_page_file(name: str) -> Response:
        if name not in contents:
            raise HTTPException(404, "there is no such file")
        return answer(name)

    return routes
