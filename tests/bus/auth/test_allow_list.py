"""The allow-list of a running aggregator follows its file."""

import pytest

from esper_bus.auth import allow_list
from esper_bus.auth.allow_list import CHECK_AFTER_S, AllowList
from esper_bus.auth.key_directory import add_client, create_server_keys, remove_client
from esper_bus.auth.keys import load_client_keys
from esper_schemas.errors import Damaged, InvalidArgument


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [1000.0]
    monkeypatch.setattr(allow_list.time, "monotonic", lambda: now[0])
    return now


def test_a_key_has_the_rights_of_its_entry(keys, client):
    """An unknown key has no rights."""
    viewer, sender = client("viewer", ("view",)).public, client("sender", ("ingest",)).public
    allowed = AllowList(keys)

    assert [allowed.allows(key, "view") for key in (viewer, sender, "unknown")] == [True, False, False]
    assert [allowed.may_write(key, "run", "trainer:0") for key in (viewer, sender, "unknown", None)] == [
        False,
        True,
        False,
        False,
    ]


def test_a_new_key_can_connect_at_once(keys, client, clock):
    """A key that was added after the last check is found without waiting for the next one."""
    allowed = AllowList(keys)
    allowed.allows("unknown", "view")

    assert allowed.allows(client("late").public, "view")


def test_a_removed_key_loses_its_rights_while_it_is_connected(keys, client, clock):
    """A removal takes effect at the next check; the name of the key is kept for messages."""
    public = client("gone").public
    allowed = AllowList(keys)
    before = allowed.may_write(public, "run", "trainer:0")
    remove_client(keys, "gone")
    meanwhile = allowed.may_write(public, "run", "trainer:0")
    clock[0] += CHECK_AFTER_S

    assert (before, meanwhile) == (True, True)
    assert not allowed.may_write(public, "run", "trainer:0")
    assert allowed.name_of(public) == "gone"
    assert allowed.name_of("never") == "never"


def test_a_file_that_cannot_be_read_gives_no_rights(keys, client, clock, caplog):
    """The rights return when the file is repaired; the problem is logged once."""
    public = client("viewer").public
    allowed = AllowList(keys)
    content = (keys / "clients.json").read_bytes()
    (keys / "clients.json").write_bytes(content[:-5])
    while_damaged = [allowed.allows(public, "view") for _ in range(3)]
    (keys / "clients.json").write_bytes(content)

    assert while_damaged == [False] * 3
    assert allowed.allows(public, "view")
    assert caplog.text.count("cannot read the allow-list; no client has access over tcp") == 1


def test_an_aggregator_does_not_start_with_a_damaged_list(keys):
    """It raises an error at the start, instead of refusing every client."""
    (keys / "clients.json").write_bytes(b"{")
    with pytest.raises(Damaged, match="is not an allow-list"):
        AllowList(keys)


@pytest.mark.parametrize(
    ("rights", "allowed"), [(("view", "annotate"), True), (("ingest", "view"), False), (("ingest",), False)]
)
def test_only_the_right_to_annotate_allows_notes(tmp_path, rights, allowed):
    """A key that may send and watch has not got it by that; an unknown key has none."""
    create_server_keys(tmp_path / "keys")
    key = load_client_keys(add_client(tmp_path / "keys", "name", rights))

    assert AllowList(tmp_path / "keys").may_annotate(key.public) == allowed
    assert not AllowList(tmp_path / "keys").may_annotate("0" * 40)
    assert not AllowList(tmp_path / "keys").may_annotate(None)


@pytest.mark.parametrize(
    ("rights", "allowed"), [(("ingest", "view", "annotate"), True), (("ingest",), False), (("view",), False)]
)
def test_recorded_notes_are_shipped_with_the_right_to_annotate(tmp_path, rights, allowed):
    """They are a stream of the run, of which `esper ship` sends all."""
    create_server_keys(tmp_path / "keys")
    key = load_client_keys(add_client(tmp_path / "keys", "name", rights))

    assert AllowList(tmp_path / "keys").may_write(key.public, "run", "notes") == allowed


def test_the_right_to_annotate_needs_that_to_view(tmp_path):
    """Notes are sent to the socket of queries."""
    create_server_keys(tmp_path / "keys")

    with pytest.raises(InvalidArgument, match="needs the right to view"):
        add_client(tmp_path / "keys", "name", ("ingest", "annotate"))
