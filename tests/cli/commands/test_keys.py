"""`esper keys` creates, lists and revokes the keys of an aggregator's clients."""

import json
import stat

import pytest


@pytest.fixture
def keys_dir(esper_says, tmp_path):
    """The keys of an aggregator."""
    directory = tmp_path / "keys"
    assert esper_says("keys", "init", directory).code == 0
    return directory


def test_init_creates_the_keys_of_an_aggregator(esper_says, tmp_path):
    """And prints the public one."""
    code, out, err = esper_says("keys", "init", tmp_path / "keys")
    listed = json.loads(esper_says("keys", "list", tmp_path / "keys", "--json").out)

    assert (code, err) == (0, "")
    assert listed == {"server": out.split("public key ")[1].rstrip(").\n"), "clients": {}}


def test_add_creates_a_key_file_for_its_owner_only(esper_says, keys_dir):
    """With all rights by default."""
    code, out, _ = esper_says("keys", "add", keys_dir, "laptop")
    path = keys_dir / "laptop.key"
    client = json.loads(esper_says("keys", "list", keys_dir, "--json").out)["clients"]["laptop"]

    assert code == 0
    assert str(path) in out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (client["rights"], client["producers"]) == (["ingest", "view"], ["trainer:*"])


@pytest.mark.parametrize(
    ("options", "rights", "producers"),
    [
        (["--rights", "view"], ["view"], []),
        (["--rights", "view,ingest"], ["ingest", "view"], ["trainer:*"]),
        (["--rights=ingest", "--producers", "a/*,b:?"], ["ingest"], ["a/*", "b:?"]),
    ],
)
def test_a_key_has_the_rights_that_it_is_given(esper_says, keys_dir, options, rights, producers):
    """Producers matter only to those who may ingest."""
    esper_says("keys", "add", keys_dir, "box", *options)
    client = json.loads(esper_says("keys", "list", keys_dir, "--json").out)["clients"]["box"]

    assert (client["rights"], client.get("producers", [])) == (rights, producers)


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--rights", "fly", "must be ingest, view or ingest,view, not 'fly'"),
        ("--rights", "", "must be ingest, view or ingest,view, not ''"),
        ("--producers", "a,,b", "must be names separated by commas, none of them empty, not 'a,,b'"),
    ],
)
def test_rights_that_do_not_exist_are_wrong_usage(esper_says, keys_dir, option, value, problem):
    """And make no key."""
    code, out, err = esper_says("keys", "add", keys_dir, "box", option, value)

    assert (code, out) == (2, "")
    assert err == f"esper keys add: argument {option}: {problem}; see `esper keys add --help`\n"
    assert not (keys_dir / "box.key").exists()


def test_remove_revokes_a_key(esper_says, keys_dir):
    """One that is not there cannot be revoked."""
    esper_says("keys", "add", keys_dir, "laptop")

    assert esper_says("keys", "remove", keys_dir, "laptop").code == 0
    assert "laptop" not in esper_says("keys", "list", keys_dir).out
    code, _, err = esper_says("keys", "remove", keys_dir, "laptop")
    assert (code, err.count("\n")) == (1, 1)


def test_list_has_a_line_per_client(esper_says, keys_dir):
    """With what it may do."""
    esper_says("keys", "add", keys_dir, "laptop", "--rights", "view")
    esper_says("keys", "add", keys_dir, "box", "--rights", "ingest", "--producers", "trainer:0")
    server, box, laptop = esper_says("keys", "list", keys_dir).out.splitlines()

    assert server.startswith("server ")
    assert box.startswith("box ")
    assert box.endswith("ingest as trainer:0")
    assert laptop.endswith("  view")
