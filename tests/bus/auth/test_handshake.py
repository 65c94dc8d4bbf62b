"""The reason why a connection is refused, with real sockets and keys."""

import time

import pytest
import zmq

from esper_bus.auth.authenticator import use_key
from esper_bus.auth.handshake import Handshake
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.net.listeners import Listeners


@pytest.fixture
def listeners(address, keys):
    """The sockets of an aggregator with keys."""
    listeners = Listeners(address, keys)
    yield listeners
    listeners.close(0)


@pytest.fixture
def attempt(listeners, address):
    """Connects with a key; returns the handshake."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        made = []

        def connect(keys):
            peer.linger = 0
            peer.reconnect_ivl = 20
            if keys is not None:
                use_key(peer, keys)
            made.append(Handshake(peer, address.ingest, keys))
            peer.connect(address.ingest)
            return made[-1]

        yield connect
        for handshake in made:
            handshake.close()


def refusal_of(handshake, listeners):
    """Serve until the handshake has a refusal; returns the refusal."""
    deadline = time.monotonic() + 30
    while not handshake.refusal():
        assert time.monotonic() < deadline
        listeners.wait(0.01)
    return handshake.refusal()


def test_a_key_without_the_right_is_named(attempt, client, listeners, address):
    """The message contains the name of the key, the address and what to do."""
    viewer = client("viewer", ("view",))

    assert refusal_of(attempt(viewer), listeners) == (
        f"The aggregator at {address.ingest} refuses the key 'viewer': it is unknown or lacks the right; "
        "allow it with `esper keys add`."
    )


def test_an_aggregator_with_keys_refuses_a_client_without_one(attempt, listeners):
    """The message says that a key is required."""
    assert "accepts no connection without a key" in refusal_of(attempt(None), listeners)


def test_a_key_for_another_aggregator_is_named(attempt, listeners, tmp_path):
    """The message names the key file whose server key differs."""
    create_server_keys(tmp_path / "other")
    stranger = load_client_keys(add_client(tmp_path / "other", "stranger"))

    assert "its server key is not the one in the key file of 'stranger'" in refusal_of(
        attempt(stranger), listeners
    )


def test_an_accepted_key_has_no_refusal(attempt, client, listeners, until):
    """The monitor becomes readable, and there is no refusal to report."""
    handshake = attempt(client("sender", ("ingest",)))
    until(lambda: not listeners.wait(0.01) and handshake.monitor.poll(0))

    assert handshake.refusal() == ""
