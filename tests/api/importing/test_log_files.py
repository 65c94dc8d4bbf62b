"""Tests of finding log files and telling their formats."""

import os

import pytest

from esper_lite.importing.log_files import Format, find_logs, format_of
from esper_schemas.errors import StorageError


@pytest.mark.parametrize(
    ("name", "contents", "expected"),
    [
        ("events.out.tfevents.1", b"", Format.EVENTS),
        ("x.csv", b"a,b\n", Format.CSV),
        ("x.jsonl", b"", Format.JSON_LINES),
        ("x.log", b' \n{"a": 1}', Format.JSON_LINES),
        ("x", b":W&B\xe1\xbe\x00", Format.WANDB),
        ("x", b"\x00\x01", Format.CSV),
    ],
)
def test_the_format_follows_from_name_and_beginning(tmp_path, name, contents, expected):
    """A file that was named may have any name."""
    (tmp_path / name).write_bytes(contents)

    assert format_of(tmp_path / name) is expected


def test_logs_are_found_by_their_names(tmp_path):
    """Other tables only if there is a mapping; what is below a run of W&B belongs to it."""
    for name in ("a/tfevents.1", "a/progress.csv", "b/0.monitor.csv", "b/x.csv", "b/x.jsonl", "b/x.txt",
                 "w/run-1.wandb", "w/files/tfevents.1"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(**options):
        logs = find_logs(tmp_path, **options)
        return {folder.name: [log.path.name for log in files] for folder, files in logs.items()}

    assert found() == {"a": ["progress.csv", "tfevents.1"], "b": ["0.monitor.csv"], "w": ["run-1.wandb"]}
    assert found(tables=True)["b"] == ["0.monitor.csv", "x.csv", "x.jsonl"]


def test_links_to_directories_are_not_followed(tmp_path):
    """They may lead to the same files, or around in a circle; a link to a file is that file."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tfevents").touch()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "tfevents.link").symlink_to(tmp_path / "a" / "tfevents")
    os.mkfifo(tmp_path / "tfevents.pipe")

    assert {folder.name: len(logs) for folder, logs in find_logs(tmp_path).items()} == {
        tmp_path.name: 1,
        "a": 1,
    }


def test_depth_and_size_of_a_directory_are_limited(tmp_path, monkeypatch):
    """A log directory is no file system."""
    deep = tmp_path.joinpath(*"123456789")
    deep.mkdir(parents=True)
    (deep / "tfevents").touch()
    (tmp_path / "1" / "tfevents").touch()
    both = find_logs(tmp_path)
    monkeypatch.setattr("esper_lite.importing.log_files.MAX_ENTRIES", 0)

    assert [folder.name for folder in both] == ["1"]
    assert find_logs(tmp_path) == {}


def test_a_directory_that_cannot_be_listed_is_an_error(tmp_path):
    """It is one sentence."""
    with pytest.raises(StorageError, match="make it readable"):
        find_logs(tmp_path / "none")
