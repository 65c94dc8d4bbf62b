"""Tests of key files: who can read them, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esper_bus.auth.keys import (
    AllowedClient,
    add_client,
    client_keys_for,
    create_server_keys,
    load_client_keys,
    load_server_keys,
    read_clients,
    remove_client,
)
from esper_schemas.errors import Damaged, InvalidArgument, StorageError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def keys(tmp_path):
    """A directory with the keys of an aggregator."""
    create_server_keys(tmp_path / "keys")
    return tmp_path / "keys"


def test_only_their_owner_can_read_keys(keys):
    """0600 in a 0700 directory, whatever the umask is."""
    add_client(keys, "gpu-box")

    assert keys.stat().st_mode & 0o777 == 0o700
    names = sorted(path.name for path in keys.iterdir())
    assert names == [".lock", "clients.json", "gpu-box.key", "server.key"]
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}


def test_a_client_gets_a_key_of_its_own_and_the_aggregators_public_one(keys):
    """The secret of the aggregator stays where it is, and no secret stands in the allow-list."""
    server, client = load_server_keys(keys), load_client_keys(add_client(keys, "a", ("view",)))

    assert client.server == server.public
    assert server.secret not in (keys / "a.key").read_text()
    assert client.secret not in (keys / "clients.json").read_text()
    assert read_clients(keys) == {"a": AllowedClient(client.public, ("view",))}


def test_a_secret_is_not_printed(keys):
    """Not even where a key ends up in a log by accident."""
    server, client = load_server_keys(keys), load_client_keys(add_client(keys, "a"))

    assert server.secret not in repr(server)
    assert client.secret not in repr(client)


def test_keys_are_never_overwritten(keys):
    """A second `init`, and a second key of one name, are refused."""
    add_client(keys, "a")
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    with pytest.raises(StorageError, match="exists already"):
        create_server_keys(keys)
    with pytest.raises(InvalidArgument, match="There is a key a already"):
        add_client(keys, "a")

    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before


@pytest.mark.process
def test_keys_that_are_added_at_once_are_all_allowed(keys):
    """Six processes write one list, and none of them loses the entry of another."""
    program = (
        "import sys; from pathlib import Path; from esper_bus.auth.keys import add_client, remove_client\n"
        "directory, name = Path(sys.argv[1]), sys.argv[2]\n"
        "for n in range(20): add_client(directory, f'{name}-{n}')\n"
        "for n in range(10): remove_client(directory, f'{name}-{n}')\n"
    )
    paths = os.pathsep.join(str(ROOT / package) for package in ("schemas", "bus"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(keys), f"box{number}"],
            env={**os.environ, "PYTHONPATH": paths},
        )
        for number in range(6)
    ]

    assert [process.wait(60) for process in processes] == [0] * 6
    assert set(read_clients(keys)) == {f"box{b}-{n}" for b in range(6) for n in range(10, 20)}


def test_what_could_not_be_done_leaves_nothing_behind(keys, tmp_path):
    """Where one of two files cannot be written the other is not there, and a second attempt succeeds."""
    clients = keys / "clients.json"
    content = clients.read_bytes()
    half = tmp_path / "half"
    (half / "clients.json").mkdir(parents=True)
    half.chmod(0o700)
    with pytest.raises(StorageError, match=r"Cannot write .*clients.json"):
        create_server_keys(half)

    assert [path.name for path in half.iterdir()] == ["clients.json"]

    (half / "clients.json").rmdir()
    create_server_keys(half)
    (keys / "a.key").mkdir()
    with pytest.raises(StorageError, match=r"a.key exists already"):
        add_client(keys, "a")

    assert clients.read_bytes() == content

    (keys / "a.key").rmdir()
    add_client(keys, "a")


def test_a_removed_key_is_gone(keys):
    """Its file too; one that is not there is one sentence."""
    add_client(keys, "a")
    remove_client(keys, "a")

    assert read_clients(keys) == {}
    assert not (keys / "a.key").exists()
    with pytest.raises(InvalidArgument, match="There is no key a"):
        remove_client(keys, "a")


@pytest.mark.parametrize("name", ["server", "../x", "", "a b"])
def test_a_name_that_cannot_be_is_refused(keys, name):
    """No client replaces the aggregator's own key, or a file elsewhere."""
    with pytest.raises(InvalidArgument, match="cannot name a key"):
        add_client(keys, name)


def test_a_key_that_others_can_read_is_refused(keys):
    """With the command that puts it right."""
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
        (b"", "no key file"),
        (b"\xff\xfe", "no key file"),
        (b'{"name":"a","server":"x","public":"y","secret":"z"}', "holds what is no key"),
        (b'{"name":"a","server":"%s","public":"%s","secret":"%s"}' % ((b"~" * 40,) * 3), "what is no key"),
    ],
)
def test_a_damaged_key_is_one_sentence(keys, content, problem):
    """Whatever is in the file."""
    path = add_client(keys, "a")
    path.write_bytes(content)
    with pytest.raises(Damaged, match=problem):
        load_client_keys(path)


def test_over_ipc_no_key_is_looked_at(keys):
    """One that is named for tcp does no harm here, not even a directory; over tcp it is loaded."""
    path = add_client(keys, "a")

    assert client_keys_for("ipc:///run/x/ingest", keys) is None
    assert client_keys_for("tcp://127.0.0.1:5556", None) is None
    assert client_keys_for("tcp://127.0.0.1:5556", path).name == "a"
    with pytest.raises(InvalidArgument, match="is a directory"):
        client_keys_for("tcp://127.0.0.1:5556", keys)


def test_a_directory_or_a_file_in_the_others_place_is_one_sentence(keys):
    """It names the file that was meant, or what to name instead."""
    path = add_client(keys, "bob")
    with pytest.raises(InvalidArgument, match=rf"name the key file of one client in it, such as {path}\."):
        load_client_keys(keys)
    with pytest.raises(
        InvalidArgument, match=r"bob\.key is a file; name the directory that `esper keys init` made"
    ):
        load_server_keys(path)


def test_a_missing_key_is_one_sentence(tmp_path):
    """A directory too: it is no key of a client."""
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
    """By name, and by run where the pattern names one."""
    assert AllowedClient("", ("ingest",), (pattern,)).may_write(run, producer) is allowed
    assert not AllowedClient("", ("view",), (pattern,)).may_write(run, producer)
