import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from facade_client import Facade

from api.page_routes import FOLDER

PAGES = ("/", "/docs")
FILES = ("search.js", "terms.js", "words.js", "docs.js", "style.css", "icon.svg")


class Elements(HTMLParser):
    """Every element of a page, with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.inline += data.strip()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with Facade().client() as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
async def test_headers_close_the_page(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "server" not in response.headers


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_is_inline_and_everything_named_is_there(client: httpx.AsyncClient, path: str) -> None:
    text = (await client.get(path)).text
    assert "$" not in text, "what every page shares is in its place"
    page = Elements(text)
    assert {"meta", "link", "img"} <= {tag for tag, _ in page.elements}
    assert page.inline == ""
    for tag, attributes in page.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            address = attributes.get(name)
            if address is not None:
                assert address.startswith("/") and not address.startswith("//")
                assert (await client.get(address)).status_code == 200, address


@pytest.mark.parametrize("name", FILES)
async def test_files_have_their_types(client: httpx.AsyncClient, name: str) -> None:
    expected = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    response = await client.get(f"/page/{name}")
    assert response.headers["content-type"] == expected[name.rpartition(".")[2]]


@pytest.mark.parametrize("name", ["index.html", "docs.html", "head.html", "brand.html", *FILES])
def test_nothing_comes_from_another_host(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in text


@pytest.mark.parametrize("name", ["search.js", "words.js", "docs.js"])
def test_text_never_becomes_markup(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


async def test_every_word_is_in_both_languages() -> None:
    text = (FOLDER / "words.js").read_text(encoding="utf-8")
    english, japanese = (re.search(rf"^  {tag}: {{(.*?)^  }},", text, re.M | re.S) for tag in ("en", "ja"))
    assert english and japanese
    keys = [set(re.findall(r"(?:^|[,{]\s)\s*(\w+): [\"({]", found[1], re.M)) for found in (english, japanese)]
    assert len(keys[0]) > 50
    assert keys[0] == keys[1]
    pages = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("index.html", "docs.html"))
    assert set(re.findall(r'data-(?:word|label)="(\w+)"', pages)) <= keys[0]


async def test_there_is_no_other_file(client: httpx.AsyncClient) -> None:
    for name in ("main.py", "..%2fmain.py", "%2e%2e/main.py", ""):
        assert (await client.get(f"/page/{name}")).status_code == 404


async def test_the_page_tells_what_is_opened_in_a_way_that_is_taken(client: httpx.AsyncClient) -> None:
    script = (FOLDER / "search.js").read_text(encoding="utf-8")
    beacon = re.search(r'sendBeacon\("([^"]+)", new Blob\(.*\{ type: "([^"]+)" \}\)\)', script)
    assert beacon
    # As plain text a browser would send `Origin: null` along, because of our Referrer-Policy.
    assert beacon[2] == "application/json"
    assert (await client.post(beacon[1], json={})).status_code == 400
    refused = await client.post(beacon[1], json={}, headers={"Origin": "null"})
    assert refused.status_code == 403
