"""Tests of the paths of files and of addresses."""

import os
from pathlib import Path

import pytest

from esper_bus.addresses import IPC_PATH_LIMIT, Endpoints, for_runs_dir, ipc_path, make_private_dir, parse
from esper_bus.paths import RunPaths, default_spool_quota, spool_quota
from esper_schemas.errors import InvalidArgument, StorageError


def test_files_of_a_run():
    """Spools and logs have their own directories and names."""
    paths = RunPaths(Path("runs/a"))

    assert paths.spool_file("host:0", 7) == Path("runs/a/spool/host-0-0000000000000007.mcap")
    assert paths.log_file(8, 2) == Path("runs/a/log/0000000000000008-2.mcap")


def test_each_runs_directory_has_addresses_of_its_own(tmp_path, runtime, monkeypatch):
    """A relative and an absolute path of the same directory have the same addresses."""
    (tmp_path / "runs").mkdir()
    here = for_runs_dir(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)

    assert for_runs_dir(Path("runs")) == here
    assert for_runs_dir(Path("other")) != here
    assert ipc_path(here.ingest).parent.parent == runtime / "esper"


def test_addresses_fit_into_a_socket(monkeypatch, tmp_path):
    """If the path of the session's directory is too long, a shorter one is used."""
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    addresses = for_runs_dir(tmp_path)

    assert all(len(os.fsencode(ipc_path(address))) <= IPC_PATH_LIMIT for address in addresses)
    assert addresses.ingest.startswith(f"ipc:///tmp/esper-{os.getuid()}/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ipc:///run/x", Endpoints("ipc:///run/x/ingest", "ipc:///run/x/snapshots", "ipc:///run/x/query")),
        ("tcp://127.0.0.1:7000", Endpoints(*(f"tcp://127.0.0.1:{port}" for port in (7000, 7001, 7002)))),
        ("tcp://localhost", Endpoints(*(f"tcp://127.0.0.1:{port}" for port in (5556, 5557, 5558)))),
        ("tcp://[::1]:7000", Endpoints(*(f"tcp://[::1]:{port}" for port in (7000, 7001, 7002)))),
    ],
)
def test_addresses_are_parsed(url, expected):
    """One URL stands for three sockets."""
    assert parse(url) == expected


@pytest.mark.parametrize("host", ["mylocalhost", "localhost.example.org"])
def test_a_name_with_localhost_in_it_is_left_as_it_is(host):
    """It is another machine: its name is kept with keys, and refused without."""
    assert parse(f"tcp://{host}:7000", keyed=True).ingest == f"tcp://{host}:7000"
    with pytest.raises(InvalidArgument, match="unencrypted tcp is refused"):
        parse(f"tcp://{host}:7000")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tcp://",
        "tcp://127.0.0.1:x",
        "tcp://127.0.0.1:99999",
        "ipc://",
        "ipc:///",
        "http://localhost",
        "runs",
    ],
)
def test_an_invalid_address_is_refused(url):
    """The error contains an example of an address."""
    with pytest.raises(InvalidArgument, match=r"is not an address; use .*tcp://127\.0\.0\.1:5556"):
        parse(url)


def test_the_last_port_leaves_none_for_snapshots():
    """Port 65535 has no next port."""
    with pytest.raises(InvalidArgument, match="is not an address"):
        parse("tcp://127.0.0.1:65535")


@pytest.mark.parametrize("url", ["tcp://0.0.0.0:5556", "tcp://192.168.0.4:5556", "tcp://example.org:5556"])
def test_unencrypted_tcp_stays_on_this_machine(url):
    """Addresses of other machines and of all interfaces are refused."""
    with pytest.raises(InvalidArgument):
        parse(url)


def test_an_ipc_address_that_is_too_long_is_refused():
    """The path of a socket has a maximum length."""
    with pytest.raises(InvalidArgument, match="too long for a socket address"):
        parse("ipc:///" + "x" * 120)


def test_the_socket_directory_is_private(tmp_path):
    """Other users cannot enter it, independent of the umask."""
    before = os.umask(0)
    try:
        made = make_private_dir(tmp_path / "a" / "b")
    finally:
        os.umask(before)

    assert made.stat().st_mode & 0o777 == 0o700
    assert make_private_dir(made) == made


def test_a_socket_directory_that_others_can_enter_is_refused(tmp_path):
    """Its mode is left unchanged."""
    tmp_path.chmod(0o755)
    with pytest.raises(StorageError, match="open to other users"):
        make_private_dir(tmp_path)

    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_link_instead_of_the_socket_directory_is_refused(tmp_path):
    """Another user may have put it there."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StorageError, match="open to other users"):
        make_private_dir(tmp_path / "link")


@pytest.mark.parametrize(
    ("text", "size"),
    [("", 2**31), ("500M", 500 * 2**20), ("4g", 2**32), ("64MiB", 2**26), ("33554432", 2**25)],
)
def test_a_spool_quota_is_a_size(monkeypatch, text, size):
    """It is a number of bytes or has a unit; an empty value means the default."""
    monkeypatch.setenv("ESPER_SPOOL_QUOTA", text)

    assert default_spool_quota() == size


@pytest.mark.parametrize("text", ["much", "1", "-5G", "15M", "1e9", "²G", "64 MiB"])
def test_an_invalid_spool_quota_is_refused(monkeypatch, text):
    """The error names the environment variable or option, and the smallest size."""
    monkeypatch.setenv("ESPER_SPOOL_QUOTA", text)
    with pytest.raises(InvalidArgument, match=r"ESPER_SPOOL_QUOTA must be a size of at least 16 MiB"):
        default_spool_quota()
    with pytest.raises(InvalidArgument, match=r"--spool-quota must be a size of at least 16 MiB"):
        spool_quota(text, "--spool-quota")
