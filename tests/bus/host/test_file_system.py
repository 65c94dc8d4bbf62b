"""Tests of the warning about network file systems, with a sample list of mounts."""

from pathlib import Path

import pytest

from esper_bus.emit.emitter import Emitter
from esper_bus.host.file_system import file_system_of, network_warning
from esper_bus.store.run_reader import read_records
from esper_schemas.events import LogRecorded

MOUNTS = r"""
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
90 28 0:45 / /home rw,relatime shared:50 master:3 - nfs4 server:/home rw,vers=4.2
91 90 259:3 / /home/me/local rw - xfs /dev/nvme1n1 rw
92 28 0:50 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw
93 28 0:51 / /my\040disk rw - fuse.sshfs me@host: rw
94 28 0:52 / /data rw - nfs server:/data rw
95 28 0:53 / /data rw - tmpfs tmpfs rw
a line that nobody understands
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/tmp/runs", "ext4"),
        ("/homeless/runs", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/runs", "nfs4"),
        ("/home/me/local/runs", "xfs"),
        ("/scratch/a/b", "lustre"),
        ("/my disk/runs", "fuse.sshfs"),
        ("/data/runs", "tmpfs"),
    ],
)
def test_the_nearest_mount_determines_the_file_system(path, kind):
    """Mount points may share a prefix, contain blanks, or be mounted over."""
    assert file_system_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("path", ["/home/me/runs", "/scratch", "/my disk"])
def test_a_warning_about_a_network_file_system_gives_advice(path):
    """The warning names the path and recommends a local disk."""
    assert network_warning(Path(path), MOUNTS).startswith(f"{path} is on ")
    assert "choose a runs directory on a local disk" in network_warning(Path(path), MOUNTS)


def test_a_local_disk_or_a_missing_mount_list_gives_no_warning(tmp_path, monkeypatch):
    """Neither does a directory that does not exist yet."""
    monkeypatch.setattr("esper_bus.host.file_system._MOUNTS", tmp_path / "nothing")

    assert network_warning(Path("/tmp/not/there"), MOUNTS) == ""
    assert network_warning(Path("/home/me")) == ""
    assert network_warning(Path("/home/me"), "") == ""


@pytest.mark.parametrize("warned", [True, False])
def test_an_emitter_logs_the_warning_and_emits_it(tmp_path, monkeypatch, warned, caplog):
    """The process log and the run contain the same warning; a local directory has none."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / {tmp_path / 'far'} rw - nfs4 server:/ rw\n")
    monkeypatch.setattr("esper_bus.host.file_system._MOUNTS", mounts)
    run_dir = tmp_path / ("far" if warned else "near") / "run"
    Emitter("run", "host:0", run_dir).close()
    events = [record.event for record in read_records(run_dir)]
    messages = [event.message for event in events if isinstance(event, LogRecorded)]

    assert [record.msg.fields["reason"] for record in caplog.records] == messages
    assert len(messages) == warned
    assert all("is on nfs4, a network file system" in message for message in messages)
