"""Servers that the tests of this folder share."""

import pytest

from tests.devices.ssh import openssh


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A real sshd on a loopback port."""
    running = openssh.start(tmp_path_factory.mktemp("sshd"))
    yield running
    running.stop()


@pytest.fixture
def make(tmp_path):
    """Starts servers, and ends them."""
    servers = []

    def start(*options, environment="", folder="sshd"):
        servers.append(openssh.start(tmp_path / folder, *options, environment=environment))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    """Nothing of the tests reaches the user's own inventory, cache of agents or known hosts."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
