"""What Ray's metrics endpoint says of the models' work."""

from __future__ import annotations

import httpx
from waiting import until

from shirabe.cli.models_process import Ready

PATIENCE_S = 90.0
SERIES = (
    "ray_shirabe_tokens_total",
    "ray_shirabe_tokens_queued",
    "ray_shirabe_batch_fill_count",
    "ray_shirabe_lane_wait_seconds_count",
    "ray_shirabe_texts_truncated_total",
)


async def test_tokens_queue_fill_waits_and_cuts_are_counted(models_ready: Ready) -> None:
    assert models_ready.metrics_url is not None
    async with httpx.AsyncClient(timeout=30) as http:
        for kind in ("query", "passage"):
            body = {"texts": ["在庫 order " * 4000], "kind": kind, "outputs": ["dense"]}
            assert (await http.post(f"{models_ready.url}/m3/encode", json=body)).headers["X-Truncated"] == "1"
        page = ""

        async def all_there() -> bool:
            nonlocal page
            page = (await http.get(str(models_ready.metrics_url))).text
            return all(f"{name}{{" in page for name in SERIES)

        await until(all_there, "every series on the metrics page", PATIENCE_S)
    waits = [line for line in page.splitlines() if line.startswith("ray_shirabe_lane_wait_seconds_count")]
    assert {lane for lane in ("query", "passage") if any(f'lane="{lane}"' in line for line in waits)} == {
        "query",
        "passage",
    }
    assert all('deployment="embedder"' in line for line in waits)
