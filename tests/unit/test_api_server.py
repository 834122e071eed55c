import socket

import httpx
import pytest
from facade_client import ROWS, Facade
from facade_fakes import filled

from api.server import ApiServer
from shirabe.errors import InvalidInput


async def test_it_serves_on_a_free_port_and_frees_it() -> None:
    facade = Facade()
    await filled(ROWS, facade.store)
    app = facade.app()
    server = ApiServer(app, "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=server.url) as client:
        response = await client.post("/v1/search", json={"query": "cancel order"})
        assert response.status_code == 200 and response.json()["hits"]
        assert "server" not in response.headers
    await server.stop()
    again = ApiServer(app, "127.0.0.1", int(server.url.rpartition(":")[2]))
    await again.start()
    await again.stop()


async def test_an_answer_of_several_packets_waits_for_no_acknowledgement() -> None:
    server = ApiServer(Facade().app(), "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=server.url) as client:
        await client.get("/healthz")
        assert server._server is not None
        accepted = [each.transport.get_extra_info("socket") for each in server._server.server_state.connections]
        assert [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in accepted] == [1]
    await server.stop()


async def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"127.0.0.1:{port}: Address already in use"):
            await ApiServer(Facade().app(), "127.0.0.1", port).start()


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"cannot listen on 192\.0\.2\.1:0"):
        await ApiServer(Facade().app(), "192.0.2.1", 0).start()


async def test_stopping_what_never_started_is_nothing() -> None:
    await ApiServer(Facade().app(), "127.0.0.1", 0).stop()


async def test_a_body_too_large_is_refused_over_a_real_connection() -> None:
    server = ApiServer(Facade().app(), "127.0.0.1", 0)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url) as client:
            response = await client.post("/v1/search", json={"query": "x" * 1_100_000})
            assert response.status_code == 413
            assert (await client.get("/healthz")).status_code == 200
    finally:
        await server.stop()


async def test_a_name_that_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"cannot listen on no\.such\.name\.invalid:0"):
        await ApiServer(Facade().app(), "no.such.name.invalid", 0).start()
