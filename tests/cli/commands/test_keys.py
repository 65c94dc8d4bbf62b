"""`esper keys` creates, lists and revokes the keys of an aggregator's clients."""

import json
import stat

import pytest


@pytest.fixture
def keys_dir(run_esper, tmp_path):
    """The keys of an aggregator."""
    directory = tmp_path / "keys"
    assert run_esper("keys", "init", directory).code == 0
    return directory


def test_init_creates_the_keys_of_an_aggregator(run_esper, tmp_path):
    """It prints the public key."""
    code, out, err = run_esper("keys", "init", tmp_path / "keys")
    listed = json.loads(run_esper("keys", "list", tmp_path / "keys", "--json").out)

    assert (code, err) == (0, "")
    assert listed == {"server": out.split("public key ")[1].rstrip(").\n"), "clients": {}}


def test_add_creates_a_key_file_for_its_owner_only(run_esper, keys_dir):
    """The key may send and watch by default."""
    code, out, _ = run_esper("keys", "add", keys_dir, "laptop")
    path = keys_dir / "laptop.key"
    client = json.loads(run_esper("keys", "list", keys_dir, "--json").out)["clients"]["laptop"]

    assert code == 0
    assert str(path) in out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (client["rights"], client["producers"]) == (["ingest", "view"], ["trainer:*"])


@pytest.mark.parametrize(
    ("options", "rights", "producers"),
    [
        (["--rights", "view"], ["view"], []),
        (["--rights", "view,ingest"], ["ingest", "view"], ["trainer:*"]),
        (["--rights", "annotate,view"], ["view", "annotate"], []),
        (["--rights=ingest", "--producers", "a/*,b:?"], ["ingest"], ["a/*", "b:?"]),
    ],
)
def test_a_key_has_the_rights_that_it_is_given(run_esper, keys_dir, options, rights, producers):
    """Only a key that may ingest has producers."""
    run_esper("keys", "add", keys_dir, "box", *options)
    client = json.loads(run_esper("keys", "list", keys_dir, "--json").out)["clients"]["box"]

    assert (client["rights"], client.get("producers", [])) == (rights, producers)


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--rights", "fly", "must be some of ingest,view,annotate, not 'fly'"),
        ("--rights", "", "must be some of ingest,view,annotate, not ''"),
        ("--rights", "annotate", "must have view, too, if it has annotate"),
        ("--producers", "a,,b", "must be names separated by commas, none of them empty, not 'a,,b'"),
    ],
)
def test_invalid_rights_and_producers_are_wrong_usage(run_esper, keys_dir, option, value, problem):
    """No key is created."""
    code, out, err = run_esper("keys", "add", keys_dir, "box", option, value)

    assert (code, out) == (2, "")
    assert err == f"esper keys add: argument {option}: {problem}; see `esper keys add --help`\n"
    assert not (keys_dir / "box.key").exists()


def test_remove_revokes_a_key(run_esper, keys_dir):
    """A key that does not exist cannot be revoked."""
    run_esper("keys", "add", keys_dir, "laptop")

    assert run_esper("keys", "remove", keys_dir, "laptop").code == 0
    assert "laptop" not in run_esper("keys", "list", keys_dir).out
    code, _, err = run_esper("keys", "remove", keys_dir, "laptop")
    assert (code, err.count("\n")) == (1, 1)


def test_list_has_a_line_per_client(run_esper, keys_dir):
    """The line ends with the rights of the client."""
    run_esper("keys", "add", keys_dir, "laptop", "--rights", "view")
    run_esper("keys", "add", keys_dir, "box", "--rights", "ingest", "--producers", "trainer:0")
    server, box, laptop = run_esper("keys", "list", keys_dir).out.splitlines()

    assert server.startswith("server ")
    assert box.startswith("box ")
    assert box.endswith("ingest as trainer:0")
    assert laptop.endswith("  view")
