"""The key directory of an aggregator: clients are added and removed, also by several processes at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esper_bus.auth.key_directory import add_client, create_server_keys, remove_client
from esper_bus.auth.keys import AllowedClient, load_client_keys, load_server_keys, read_clients
from esper_schemas.errors import InvalidArgument, StorageError

ROOT = Path(__file__).parents[3]


def test_only_their_owner_can_read_keys(keys):
    """Files have mode 0600, and their directory has mode 0700."""
    add_client(keys, "gpu-box")

    assert keys.stat().st_mode & 0o777 == 0o700
    names = sorted(path.name for path in keys.iterdir())
    assert names == [".lock", "clients.json", "gpu-box.key", "server.key"]
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}


def test_a_client_gets_a_key_of_its_own_and_the_aggregators_public_one(keys):
    """A client's file does not contain the aggregator's secret, and the allow-list contains no client's."""
    server, client = load_server_keys(keys), load_client_keys(add_client(keys, "a", ("view",)))

    assert client.server == server.public
    assert server.secret not in (keys / "a.key").read_text()
    assert client.secret not in (keys / "clients.json").read_text()
    assert read_clients(keys) == {"a": AllowedClient(client.public, ("view",))}


def test_keys_are_never_overwritten(keys):
    """A second `create_server_keys`, and a second key of the same name, are refused."""
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
        "import sys; from pathlib import Path; from esper_bus.auth.key_directory import *\n"
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


def test_a_failed_change_leaves_nothing_behind(keys, tmp_path):
    """If one of two files cannot be written, the other is not left behind, and a second attempt succeeds."""
    clients = keys / "clients.json"
    content = clients.read_bytes()
    half = tmp_path / "half"
    (half / "clients.json").mkdir(parents=True)
    half.chmod(0o700)
    with pytest.raises(StorageError, match=r"Cannot replace .*clients.json"):
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
    """Its file is deleted too; removing an unknown key is refused."""
    add_client(keys, "a")
    remove_client(keys, "a")

    assert read_clients(keys) == {}
    assert not (keys / "a.key").exists()
    with pytest.raises(InvalidArgument, match="does not contain the key a"):
        remove_client(keys, "a")


@pytest.mark.parametrize("name", ["server", "../x", "", "a b"])
def test_an_invalid_name_is_refused(keys, name):
    """A client cannot replace the aggregator's own key or a file outside of the directory."""
    with pytest.raises(InvalidArgument, match=r"cannot name (a|the) key"):
        add_client(keys, name)
