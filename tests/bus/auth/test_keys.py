"""Key files: who can read them, and which are refused."""

import pytest

from esper_bus.auth.key_directory import add_client
from esper_bus.auth.keys import (
    AllowedClient,
    client_keys_for,
    load_client_keys,
    load_server_keys,
    read_clients,
)
from esper_schemas.errors import Damaged, InvalidArgument, StorageError

WRONG_ALPHABET = b'{"name":"a","server":"%s","public":"%s","secret":"%s"}' % ((b"~" * 40,) * 3)


def test_a_secret_is_not_printed(keys):
    """The `repr` of a key omits it, so that no log contains it by accident."""
    server, client = load_server_keys(keys), load_client_keys(add_client(keys, "a"))

    assert server.secret not in repr(server)
    assert client.secret not in repr(client)


def test_a_key_that_others_can_read_is_refused(keys):
    """The error contains the command that corrects the mode."""
    path = add_client(keys, "a")
    path.chmod(0o640)
    with pytest.raises(StorageError, match="chmod 600"):
        load_client_keys(path)
    (keys / "clients.json").chmod(0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        read_clients(keys)
    keys.chmod(0o755)
    with pytest.raises(StorageError, match="chmod 700"):
        load_server_keys(keys)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a key file"),
        (b"\xff\xfe", "is not a key file"),
        (b'{"name":"a","server":"x","public":"y","secret":"z"}', "does not contain a valid key"),
        (
            WRONG_ALPHABET,
            "does not contain a valid key",
        ),
    ],
)
def test_a_damaged_key_file_is_refused(keys, content, problem):
    """The error says whether the file is not a key file or contains an invalid key."""
    path = add_client(keys, "a")
    path.write_bytes(content)
    with pytest.raises(Damaged, match=problem):
        load_client_keys(path)


def test_keys_are_not_read_for_ipc(keys):
    """A key path is ignored for ipc, even if it is a directory; for tcp it is loaded."""
    path = add_client(keys, "a")

    assert client_keys_for("ipc:///run/x/ingest", keys) is None
    assert client_keys_for("tcp://127.0.0.1:5556", None) is None
    assert client_keys_for("tcp://127.0.0.1:5556", path).name == "a"
    with pytest.raises(InvalidArgument, match="is a directory"):
        client_keys_for("tcp://127.0.0.1:5556", keys)


def test_a_directory_instead_of_a_file_is_refused_and_the_reverse(keys):
    """The error says which file or directory to name instead."""
    path = add_client(keys, "bob")
    with pytest.raises(InvalidArgument, match=rf"name the key file of one client in it, such as {path}\."):
        load_client_keys(keys)
    with pytest.raises(
        InvalidArgument, match=r"bob\.key is a file; name the directory that `esper keys init` created"
    ):
        load_server_keys(path)


def test_a_missing_key_is_an_error(tmp_path):
    """A directory without keys is refused too, for a client and for a server."""
    with pytest.raises(StorageError, match="Cannot read"):
        load_client_keys(tmp_path / "none.key")
    with pytest.raises(InvalidArgument, match="name the key file of one client"):
        load_client_keys(tmp_path)
    with pytest.raises(InvalidArgument, match="esper keys init"):
        load_server_keys(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "run", "producer", "allowed"),
    [
        ("trainer:*", "any", "trainer:0", True),
        ("trainer:*", "any", "other:0", False),
        ("alice-*/trainer:*", "alice-1", "trainer:0", True),
        ("alice-*/trainer:*", "bob-1", "trainer:0", False),
        ("*", "any", "any", True),
    ],
)
def test_a_key_is_bound_to_producers(pattern, run, producer, allowed):
    """A pattern matches the name of the producer, and that of the run if it contains one."""
    assert AllowedClient("", ("ingest",), (pattern,)).may_write(run, producer) is allowed
    assert not AllowedClient("", ("view",), (pattern,)).may_write(run, producer)
