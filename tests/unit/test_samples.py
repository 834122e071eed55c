"""The sample documents agree with each other: links, error codes, requirements, endpoints, statuses, language pairs."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import openapi_spec_validator
import openpyxl
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
TEXTS = sorted(
    path
    for path in SAMPLES.rglob("*")
    if path.suffix in {".md", ".yaml", ".py", ".go", ".sql", ".sh", ".csv"} and path.is_file()
)
MARKDOWN = [path for path in TEXTS if path.suffix == ".md"]
PYTHON = [path for path in TEXTS if path.suffix == ".py"]
PAIRS = ("allocation.md", "failure-behavior.md", "orders.md", "returns.md")
SPEC_OF = {
    "ORD": "orders",
    "CRD": "credit",
    "INV": "allocation",
    "SHP": "shipping",
    "RET": "returns",
    "BIL": "billing",
    "PNT": "points",
    "NTF": "notifications",
    "BAT": "batch",
    "AUT": "authorization",
    "AUD": "audit-log",
    "FLT": "failure-behavior",
    "NFR": "non-functional",
}
CODE = re.compile(r"\bE1\d{3}\b")
REQUIREMENT = re.compile(r"\bREQ-([A-Z]{3})-\d{3}\b")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ENDPOINT = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[A-Za-z0-9{}/-]+)")


def name(path: Path) -> str:
    return path.relative_to(SAMPLES).as_posix()


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((SAMPLES / "api/orders.openapi.yaml").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def error_table() -> dict[str, tuple[str, str]]:
    """Map a code to its (HTTP status, requirement) as the spreadsheet has them."""
    sheet = openpyxl.load_workbook(SAMPLES / "data/error_codes.xlsx")["エラーコード一覧"]
    rows = [row for row in sheet.iter_rows(min_row=5, values_only=True) if row[0]]
    table = {str(row[0]): (str(row[2]), str(row[10])) for row in rows}
    assert len(table) == len(rows), "a code is listed twice"
    return table


def test_openapi_is_valid(openapi: dict[str, Any]) -> None:
    openapi_spec_validator.validate(openapi)
    operations = [
        operation for path in openapi["paths"].values() for operation in path.values() if "responses" in operation
    ]
    assert len({operation["operationId"] for operation in operations}) == len(operations) >= 15


@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_relative_links_resolve(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        parts = urlsplit(target)
        assert parts.scheme or (path.parent / unquote(parts.path)).exists(), target


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python_compiles(path: Path) -> None:
    compile(path.read_text(encoding="utf-8"), str(path), "exec")


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_error_codes_are_in_the_table(path: Path, error_table: dict[str, tuple[str, str]]) -> None:
    assert set(CODE.findall(path.read_text(encoding="utf-8"))) <= set(error_table)


def test_every_error_code_is_specified_by_its_requirement(error_table: dict[str, tuple[str, str]]) -> None:
    for code, (_, requirement) in error_table.items():
        lines = specification(requirement).splitlines()
        assert any(requirement in line and code in line for line in lines), f"{requirement} does not name {code}"


def specification(requirement: str) -> str:
    """Return the Japanese specification that owns a requirement id."""
    return (SAMPLES / "specs/ja" / f"{SPEC_OF[requirement.split('-')[1]]}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_requirements_are_in_their_specification(path: Path) -> None:
    for match in REQUIREMENT.finditer(path.read_text(encoding="utf-8")):
        assert match[0] in specification(match[0]), match[0]


@pytest.mark.parametrize("path", [path for path in TEXTS if path.name != "CHANGELOG.md"], ids=name)
def test_endpoints_are_in_the_api(path: Path, openapi: dict[str, Any]) -> None:
    for method, route in ENDPOINT.findall(path.read_text(encoding="utf-8")):
        assert method.lower() in openapi["paths"].get(route, {}), f"{method} {route}"


@pytest.mark.parametrize("page", PAIRS)
def test_language_versions_say_the_same(page: str) -> None:
    japanese = (SAMPLES / "specs/ja" / page).read_text(encoding="utf-8")
    english = (SAMPLES / "specs/en" / page).read_text(encoding="utf-8")
    for pattern in (
        re.compile(r"\bREQ-[A-Z]{3}-\d{3}\b"),
        CODE,
        ENDPOINT,
        re.compile(r"^\| `([A-Z_]+)`", re.MULTILINE),
    ):
        assert set(pattern.findall(japanese)) == set(pattern.findall(english))
    assert re.findall(r"^#+ [\d.]+", japanese, re.MULTILINE) == re.findall(r"^#+ [\d.]+", english, re.MULTILINE)


def test_only_the_claimed_pairs_exist() -> None:
    assert tuple(sorted(path.name for path in (SAMPLES / "specs/en").iterdir())) == PAIRS
    assert len(list((SAMPLES / "specs/ja").glob("*.md"))) == len(SPEC_OF)


@pytest.fixture
def akane(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(SAMPLES / "src/python"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for module in [module for module in sys.modules if module.split(".")[0] == "akane"]:
        del sys.modules[module]


@pytest.mark.usefixtures("akane")
def test_statuses_agree_between_code_specification_api_and_schema(openapi: dict[str, Any]) -> None:
    order = importlib.import_module("akane.order")
    section = (SAMPLES / "specs/ja/orders.md").read_text(encoding="utf-8").split("### 6.1")[1].split("## 7")[0]
    specified = {
        cells[1].strip(" `"): set(re.findall(r"`([A-Z_]+)`", cells[2]))
        for cells in (line.split("|") for line in section.splitlines() if line.startswith("| `"))
    }
    coded = {str(before): {str(after) for after in afters} for before, afters in order.TRANSITIONS.items() if afters}
    assert coded == specified
    statuses = {str(status) for status in order.OrderStatus}
    assert set(openapi["components"]["schemas"]["OrderStatus"]["enum"]) == statuses
    check = re.search(r"status\s+text NOT NULL CHECK \(status IN \(([^)]*)\)", schema_sql())
    assert check and set(re.findall(r"'([A-Z_]+)'", check[1])) == statuses


def schema_sql() -> str:
    return (SAMPLES / "src/sql/schema.sql").read_text(encoding="utf-8")


@pytest.mark.usefixtures("akane")
def test_an_order_lives_as_specified() -> None:
    allocation = importlib.import_module("akane.allocation")
    errors = importlib.import_module("akane.errors")
    order = importlib.import_module("akane.order")
    service = importlib.import_module("akane.service")

    class Credit:
        def available(self, customer_id: str) -> int:
            return 3_300

    events: list[str] = []
    orders = service.OrderService(Credit(), lambda event, _: events.append(event), lambda: date(2026, 4, 1))
    line = order.OrderLine("SKU-7K2M-01", 3, 1_000)
    first = orders.place_order("CUS-00000001", [line])
    assert (first.order_id, first.status) == ("ORD-20260401-000001", "CONFIRMED")
    held = orders.place_order("CUS-00000001", [line, line])
    assert (held.status, held.hold_reason) == ("CREDIT_HOLD", "E1020")

    lots = [
        allocation.Lot("WH-TYO", "SKU-7K2M-01", "L1", 2, best_before=date(2026, 5, 2)),
        allocation.Lot("WH-OSA", "SKU-7K2M-01", "L2", 9, best_before=date(2026, 4, 8)),
        allocation.Lot("WH-OSA", "SKU-7K2M-01", "L3", 2, best_before=date(2026, 4, 20)),
    ]
    chosen = allocation.allocate_inventory([line], lots, ["WH-TYO", "WH-OSA"], date(2026, 4, 3))
    assert [(pick.lot, pick.quantity) for pick in chosen] == [("L3", 1), ("L1", 2)]
    with pytest.raises(errors.OutOfStock):
        orders.allocate(first.order_id, lots, ["WH-TYO"], date(2026, 4, 3))
    assert orders.allocate(first.order_id, lots, ["WH-TYO", "WH-OSA"], date(2026, 4, 3)).status == "ALLOCATED"

    orders.start_picking(first.order_id)
    with pytest.raises(errors.WrongStatus) as started:
        orders.cancel_order(first.order_id)
    orders.cancel_order(held.order_id)
    with pytest.raises(errors.WrongStatus) as again:
        orders.cancel_order(held.order_id)
    assert (started.value.code, again.value.code) == ("E1031", "E1032")
    assert events == ["order.created", "order.confirmed", "order.created", "order.held", "order.cancelled"]


@pytest.mark.usefixtures("akane")
def test_prices_match_the_worked_examples_of_the_specifications() -> None:
    order = importlib.import_module("akane.order")
    pricing = importlib.import_module("akane.pricing")
    lines = [order.OrderLine(f"SKU-{price:04d}-01", 1, price, reduced_tax=True) for price in (333, 334, 335)]
    assert pricing.consumption_tax(lines) == {8: 80}
    assert pricing.points_to_grant([order.OrderLine("SKU-7K2M-01", 3, 1_000)], points_used=500) == 25
    fees = pricing.read_fees(SAMPLES / "data/shipping_fees.csv")
    tokyo, okinawa = fees["kanto", 80], fees["okinawa", 80]
    assert pricing.shipping_fee(tokyo, "kanto", 5_500) == 880
    assert pricing.shipping_fee(tokyo, "kanto", 12_100) == 0
    assert pricing.shipping_fee(tokyo, "kanto", 12_100, chilled=True) == 330
    assert pricing.shipping_fee(okinawa, "okinawa", 12_100) == 1_870
    with pytest.raises(ValueError, match="E1051"):
        pricing.shipping_fee(fees["undeliverable", 80], "undeliverable", 12_100)


@pytest.mark.usefixtures("akane")
def test_idempotency_keys_replay_answers_but_not_failures() -> None:
    errors = importlib.import_module("akane.errors")
    idempotency = importlib.import_module("akane.idempotency")
    now = [0.0]
    store = idempotency.IdempotencyStore(lambda: now[0])
    print_ = idempotency.fingerprint("POST", "/orders", {"b": 1, "a": "茶"})
    assert print_ == idempotency.fingerprint("POST", "/orders", {"a": "茶", "b": 1})
    assert store.begin("c", "key-0001", print_) is None
    with pytest.raises(errors.KeyInProgress):
        store.begin("c", "key-0001", print_)
    store.finish("c", "key-0001", idempotency.Response(503, {}))
    assert store.begin("c", "key-0001", print_) is None
    now[0] = 61.0
    assert store.begin("c", "key-0001", print_) is None
    done = idempotency.Response(201, {"orderId": "ORD-20260401-000001"})
    store.finish("c", "key-0001", done)
    assert store.begin("c", "key-0001", print_) == done
    with pytest.raises(errors.KeyReused):
        store.begin("c", "key-0001", "another")


@pytest.mark.usefixtures("akane")
def test_retries_end_at_the_attempts_and_at_the_deadline() -> None:
    retry = importlib.import_module("akane.retry")
    waits: list[float] = []
    calls = [0]

    def fail() -> None:
        calls[0] += 1
        raise retry.Retryable("no answer")

    with pytest.raises(retry.Retryable):
        retry.retry_call(fail, clock=lambda: sum(waits), sleep=waits.append, draw=lambda: 1.0)
    assert (calls[0], waits) == (4, [0.2, 0.4, 0.8])

    def fail_and_ask_for_long() -> None:
        calls[0] += 1
        raise retry.Retryable("busy", retry_after_s=11.0)

    calls[0] = 0
    with pytest.raises(retry.Retryable):
        retry.retry_call(fail_and_ask_for_long, clock=lambda: 0.0, sleep=waits.append, draw=lambda: 1.0)
    assert calls[0] == 1


def test_judged_queries_point_at_samples() -> None:
    lines = (ROOT / "evaluation/queries/samples.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line) for line in lines]
    assert len({query["id"] for query in queries}) == len(queries) == 40
    assert sum(query["lang"] == "ja" for query in queries) == sum(query["lang"] == "en" for query in queries) == 20
    for query in queries:
        assert query["query"].strip() and query["relevant"]
        for path in query["relevant"]:
            assert (SAMPLES / path).is_file(), f"{query['id']}: {path}"
            folder, _, page = path.rpartition("/")
            if page in PAIRS and folder in ("specs/ja", "specs/en"):
                other = "specs/en" if folder == "specs/ja" else "specs/ja"
                assert f"{other}/{page}" in query["relevant"], f"{query['id']}: the other language of {page}"
