"""Shared by all tests."""

import socket

import pytest
from hypothesis import settings

# No deadline: the machines that run the tests are shared and sometimes slow.
settings.register_profile("faultlines", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("faultlines")


@pytest.fixture
def unused_port():
    """A port on loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def pytest_collection_modifyitems(items):
    """The type checker starts early: it takes minutes, and the other worker does the rest."""
    items.sort(key=lambda item: "[mypy]" not in item.nodeid)
