import socket

import pytest

from shirabe.errors import InvalidInput
from shirabe.ports import LOOPBACK, require_free_port


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"port {port} of {LOOPBACK}") as caught:
            require_free_port(LOOPBACK, port, "api.port")
        assert caught.value.place == "api.port"
    assert require_free_port(LOOPBACK, port, "api.port") == port


def test_zero_picks_a_port_that_can_be_listened_on() -> None:
    with socket.socket() as listener:
        port = require_free_port(LOOPBACK, 0)
        listener.bind((LOOPBACK, port))
        listener.listen()
    assert 20_000 <= port < 32_768


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"192\.0\.2\.1"):
        require_free_port("192.0.2.1", 0)
