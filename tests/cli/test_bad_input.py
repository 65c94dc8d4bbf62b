"""Whatever a user gets wrong is answered with one sentence that says what to do, and the right exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.spool import SpoolWriter
from esper_cli import sanctum
from esper_cli.screen import source_selection
from esper_schemas.codec import encode_event
from esper_schemas.events import LogRecorded


def write_spool(run_dir, *, events, producer="host:0"):
    """Record some events, each written on its own; returns the file."""
    spool = SpoolWriter(RunPaths(run_dir), StreamKey("r", producer, 1))
    for seq in range(events):
        spool.write(Batch(seq, [(1_000 + seq, encode_event(LogRecorded(level="info", message="x" * 100)))]))
    spool.close()
    return spool.path


def assert_one_sentence(stderr, *words):
    """One line on stderr, without a traceback, that contains these words."""
    assert stderr.count("\n") == 1, stderr
    assert "Traceback" not in stderr
    for word in words:
        assert word in stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["ppo", "--no-such-option"],
        ["no-such-command"],
        [],
        ["state"],
        ["diagnose"],
        ["diagnose", "x", "--fail-on", "never"],
        ["log", "cut", "x"],
        ["ppo", "--episodes", "ten"],
        ["ppo", "--preset", "huge"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(esper_says, arguments):
    """An unknown option, command or value, and a missing argument."""
    code, _, stderr = esper_says(*arguments)

    assert code == 2
    assert_one_sentence(stderr, "--help")


@pytest.mark.parametrize(
    "command", [["state"], ["diagnose"], ["log", "info"], ["log", "verify"], ["log", "cat"]], ids=" ".join
)
@pytest.mark.parametrize("kind", ["absent", "empty", "not a log", "empty directory"])
def test_a_path_that_is_not_a_log_exits_with_1(esper_says, tmp_path, command, kind):
    """A path that is not there, an empty file, another kind of file, and a directory without a run."""
    path = tmp_path / "run.mcap"
    if kind == "empty directory":
        path.mkdir()
    elif kind != "absent":
        path.write_text("" if kind == "empty" else "a diary, not a log\n" * 20)

    code, _, stderr = esper_says(*command, path)

    assert code == 1
    assert_one_sentence(stderr, str(path))


def test_a_torn_log_is_read_to_the_tear_and_reported_by_verify(esper_says, tmp_path):
    """What is whole is used, what is damaged is named, and nothing raises."""
    whole = write_spool(tmp_path, events=50).read_bytes()
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(whole[: len(whole) // 2])

    code, stdout, _ = esper_says("log", "verify", torn, "--json")
    verdict = json.loads(stdout)

    assert code == 1
    assert not verdict["ok"]
    assert 0 < verdict["events"] < 50
    assert verdict["damaged"]
    assert esper_says("state", torn)[0] == 0


@pytest.mark.parametrize(
    "command",
    [["log", "info"], ["log", "cat"], ["state"], ["state", "--at", "60"], ["diagnose"], ["sanctum"]],
    ids=" ".join,
)
def test_reading_a_damaged_run_reports_the_damage(esper_says, capsys, tmp_path, command):
    """Once for each file, on stderr, with what to do; what is whole is printed as ever."""
    write_spool(tmp_path / "r", events=20, producer="host:0")
    spool = write_spool(tmp_path / "r", events=50, producer="host:1")
    whole = spool.read_bytes()
    spool.write_bytes(whole[: len(whole) // 2])
    if command == ["sanctum"]:
        code, (stdout, stderr) = sanctum.main(["--json", str(tmp_path / "r")]), capsys.readouterr()
    else:
        code, stdout, stderr = esper_says(*command, tmp_path / "r")
    damage = f"{spool} is damaged at byte "

    assert stderr.count(damage) == 1
    assert f"`esper log verify {tmp_path / 'r'}`" in stderr
    assert "Traceback" not in stderr
    if command not in (["diagnose"], ["state", "--at", "60"]):  # which cannot do what they were asked to
        assert (code, stderr.count("\n")) == (0, 1)
        assert damage not in stdout


@pytest.mark.parametrize(
    "command",
    [
        ["log", "info"],
        ["log", "verify"],
        ["log", "cat"],
        ["state"],
        ["diagnose"],
        ["keys", "list"],
        ["keys", "init"],
        ["aggregate", "--runs-dir"],
    ],
    ids=" ".join,
)
def test_a_path_that_cannot_be_is_one_sentence(esper_says, tmp_path, command):
    """A name longer than any file's."""
    code, _, stderr = esper_says(*command, tmp_path / ("x" * 300))

    assert code == 1
    assert_one_sentence(stderr, "x" * 300, "name too long")


@pytest.mark.process
@pytest.mark.parametrize("events", [1, 500])
def test_an_output_that_is_full_is_one_sentence(tmp_path, events):
    """Noticed at the last flush or before; nothing more is said when Python ends."""
    path = write_spool(tmp_path, events=events)
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "esper_cli", "log", "cat", path],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert result.returncode == 1
    assert_one_sentence(result.stderr, "No space left on device")


def test_a_runs_directory_that_cannot_be_written_is_refused(esper_says, tmp_path):
    """A file stands where the directory should be."""
    (tmp_path / "file").write_text("")

    code, _, stderr = esper_says(
        "ppo", "--no-tui", "--episodes", "1", "--runs-dir", tmp_path / "file" / "runs"
    )

    assert code == 1
    assert_one_sentence(stderr, "--runs-dir")


def test_a_device_that_is_not_there_is_refused(esper_says, tmp_path):
    """Asking for CUDA without CUDA."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")

    code, _, stderr = esper_says("ppo", "--no-tui", "--device", "cuda", "--runs-dir", tmp_path)

    assert code == 1
    assert_one_sentence(stderr, "cpu")


def test_sanctum_without_a_terminal_points_to_once(capsys):
    """There is nothing to draw on in a pipe."""
    code = sanctum.main([])

    assert code == 1
    assert_one_sentence(capsys.readouterr().err, "--once")


def test_sanctum_without_an_aggregator_says_how_to_get_one(capsys, tmp_path, monkeypatch):
    """`--once` waits a moment, then gives up in words."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(source_selection, "FIRST_SNAPSHOT_TIMEOUT_S", 0.2)

    code = sanctum.main(["--once"])

    assert code == 1
    assert_one_sentence(capsys.readouterr().err, "esper ppo")


@pytest.mark.process
def test_a_busy_endpoint_is_refused(tmp_path, monkeypatch):
    """A second aggregator for the same runs directory says who has it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    command = [sys.executable, "-m", "esper_cli", "aggregate", "--runs-dir", str(tmp_path / "runs")]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert first.stderr is not None
        assert "aggregator ready" in first.stderr.readline()
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    finally:
        first.terminate()
        first.communicate(timeout=10)

    assert second.returncode == 1
    assert_one_sentence(second.stderr, str(first.pid))


@pytest.mark.process
def test_the_reader_of_a_pipe_may_leave(tmp_path):
    """`esper log cat | head -1` ends quietly."""
    path = write_spool(tmp_path, events=5_000)

    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m esper_cli log cat {path} | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0
    assert result.stderr == ""
