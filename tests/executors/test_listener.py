"""Who listens on a port is told by the kernel."""

import os
import socket

import pytest

from aios.spi.listener import Listener, listener_of


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_whoever_listens_is_told_by_its_process(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, 0), family=family)
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error}")
    with listening:
        port = listening.getsockname()[1]
        assert listener_of(port) == Listener(os.getpid())
    assert listener_of(port) is None
