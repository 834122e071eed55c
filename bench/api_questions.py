"""`python -m bench.api_questions`: at what rank people's questions find the operation of a real API description.

Asks what `shirabe up` runs, after `shirabe ingest` of freee's and DigitalOcean's whole descriptions:

    shirabe ingest ../shared/corpora/openapi/freee-accounting.json
    shirabe ingest ../shared/corpora/openapi/digitalocean/specification/DigitalOcean-public.v2.yaml

The exit status is 1 when an operation that is meant is not among the first three hits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from shirabe.errors import ShirabeError, Unavailable
from shirabe.runtime import require_runtime
from shirabe.settings import load_settings

FREEE: Final = "freee-accounting.json"
ROOT: Final = "DigitalOcean-public.v2.yaml"
QUESTIONS: Final = (
    ("取引を登録する", f"{FREEE}#/paths/~1api~11~1deals/post"),
    ("請求書の一覧を取得", f"{FREEE}#/paths/~1api~11~1invoices/get"),
    ("取引先を新しく追加したい", f"{FREEE}#/paths/~1api~11~1partners/post"),
    ("勘定科目を削除する", f"{FREEE}#/paths/~1api~11~1account_items~1{{id}}/delete"),
    ("list wallet transactions", f"{FREEE}#/paths/~1api~11~1wallet_txns/get"),
    ("create a droplet", f"{ROOT}#/paths/~1v2~1droplets/post"),
    (
        "rotate a database password",
        f"{ROOT}#/paths/~1v2~1databases~1{{database_cluster_uuid}}~1users~1{{username}}~1reset_auth/post",
    ),
    ("データベースクラスタの一覧", f"{ROOT}#/paths/~1v2~1databases/get"),
    ("delete a snapshot", f"{ROOT}#/paths/~1v2~1snapshots~1{{snapshot_id}}/delete"),
)
"""What is asked, and the locator of the operation that is meant."""

WANTED: Final = 3
_LOOKED_AT: Final = 10
_TIMEOUT_S: Final = 30.0


def ranks(url: str) -> list[int | None]:
    """Return the rank (from 1) of each question's operation, None where it is not among the first ten.

    Raises: Unavailable.
    """
    found = []
    with httpx.Client(base_url=url, timeout=_TIMEOUT_S) as client:
        for query, operation in QUESTIONS:
            response = client.post("/v1/search", json={"query": query, "top_k": _LOOKED_AT})
            if response.status_code != httpx.codes.OK:
                raise Unavailable(f"the search answered {response.status_code}: {response.text[:200]}")
            locators = [hit["locator"] for hit in response.json()["hits"]]
            found.append(locators.index(operation) + 1 if operation in locators else None)
    return found


def show(found: Sequence[int | None]) -> None:
    """Print a row for each question."""
    table = Table("asked", "operation")
    table.add_column("rank", justify="right")
    for (query, operation), rank in zip(QUESTIONS, found, strict=True):
        table.add_row(query, operation, f"over {_LOOKED_AT}" if rank is None else str(rank))
    Console(width=160).print(table)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.api_questions", description=__doc__.splitlines()[0])
    parser.parse_args()
    try:
        found = ranks(require_runtime(load_settings().state_dir).api_url)
    except (ShirabeError, httpx.HTTPError) as error:
        parser.exit(1, f"error: {error}\n")
    show(found)
    sys.exit(any(rank is None or rank > WANTED for rank in found))


if __name__ == "__main__":
    main()
