"""Every user error results in one sentence that says what to do, and in the right exit code."""

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
    """Record events, each in a batch of its own, and return the file."""
    spool = SpoolWriter(RunPaths(run_dir), StreamKey("r", producer, 1))
    for seq in range(events):
        spool.write(Batch(seq, [(1_000 + seq, encode_event(LogRecorded(level="info", message="x" * 100)))]))
    spool.close()
    return spool.path


def assert_one_sentence(stderr, *words):
    """Check that stderr is one line, has no traceback and contains these words."""
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
def test_wrong_usage_exits_with_2(run_esper, arguments):
    """An unknown option, command or value and a missing argument are wrong usage."""
    code, _, stderr = run_esper(*arguments)

    assert code == 2
    assert_one_sentence(stderr, "--help")


@pytest.mark.parametrize(
    "command", [["state"], ["diagnose"], ["log", "info"], ["log", "verify"], ["log", "cat"]], ids=" ".join
)
@pytest.mark.parametrize("kind", ["absent", "empty", "not a log", "empty directory"])
def test_a_path_that_is_not_a_log_exits_with_1(run_esper, tmp_path, command, kind):
    """The path is missing, an empty file, another kind of file, or a directory without a run."""
    path = tmp_path / "run.mcap"
    if kind == "empty directory":
        path.mkdir()
    elif kind != "absent":
        path.write_text("" if kind == "empty" else "a diary, not a log\n" * 20)

    code, _, stderr = run_esper(*command, path)

    assert code == 1
    assert_one_sentence(stderr, str(path))


def test_a_torn_log_is_read_to_the_tear_and_reported_by_verify(run_esper, tmp_path):
    """Events before the tear are read, the damage is reported, and nothing raises."""
    whole = write_spool(tmp_path, events=50).read_bytes()
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(whole[: len(whole) // 2])

    code, stdout, _ = run_esper("log", "verify", torn, "--json")
    verdict = json.loads(stdout)

    assert code == 1
    assert not verdict["ok"]
    assert 0 < verdict["events"] < 50
    assert verdict["damaged"]
    assert run_esper("state", torn)[0] == 0


@pytest.mark.parametrize(
    "command",
    [["log", "info"], ["log", "cat"], ["state"], ["state", "--at", "60"], ["diagnose"], ["sanctum"]],
    ids=" ".join,
)
def test_reading_a_damaged_run_reports_the_damage(run_esper, capsys, tmp_path, command):
    """Each file is reported once on stderr, with what to do; the output is as usual."""
    write_spool(tmp_path / "r", events=20, producer="host:0")
    spool = write_spool(tmp_path / "r", events=50, producer="host:1")
    whole = spool.read_bytes()
    spool.write_bytes(whole[: len(whole) // 2])
    if command == ["sanctum"]:
        code, (stdout, stderr) = sanctum.main(["--json", str(tmp_path / "r")]), capsys.readouterr()
    else:
        code, stdout, stderr = run_esper(*command, tmp_path / "r")
    damage = f"{spool} is damaged at byte "

    assert stderr.count(damage) == 1
    assert f"`esper log verify {tmp_path / 'r'}`" in stderr
    assert "Traceback" not in stderr
    if command not in (["diagnose"], ["state", "--at", "60"]):  # These two fail for another reason.
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
def test_an_impossible_path_is_one_sentence(run_esper, tmp_path, command):
    """Its name is longer than the name of any file."""
    code, _, stderr = run_esper(*command, tmp_path / ("x" * 300))

    assert code == 1
    assert_one_sentence(stderr, "x" * 300, "name too long")


@pytest.mark.process
@pytest.mark.parametrize("events", [1, 500])
def test_a_full_output_is_one_sentence(tmp_path, events):
    """It is noticed at the last flush or before, and Python prints nothing more at its exit."""
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


def test_a_runs_directory_that_cannot_be_written_is_refused(run_esper, tmp_path):
    """There is a file in its place."""
    (tmp_path / "file").write_text("")

    code, _, stderr = run_esper(
        "ppo", "--no-tui", "--episodes", "1", "--runs-dir", tmp_path / "file" / "runs"
    )

    assert code == 1
    assert_one_sentence(stderr, "--runs-dir")


def test_a_missing_device_is_refused(run_esper, tmp_path):
    """CUDA is requested on a machine without CUDA."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")

    code, _, stderr = run_esper("ppo", "--no-tui", "--device", "cuda", "--runs-dir", tmp_path)

    assert code == 1
    assert_one_sentence(stderr, "cpu")


def test_sanctum_without_a_terminal_points_to_once(capsys):
    """A pipe has no screen."""
    code = sanctum.main([])

    assert code == 1
    assert_one_sentence(capsys.readouterr().err, "--once")


def test_sanctum_without_an_aggregator_says_how_to_start_one(capsys, tmp_path, monkeypatch):
    """`--once` waits for a moment, then reports an error."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(source_selection, "FIRST_SNAPSHOT_TIMEOUT_S", 0.2)

    code = sanctum.main(["--once"])

    assert code == 1
    assert_one_sentence(capsys.readouterr().err, "esper ppo")


@pytest.mark.process
def test_a_busy_endpoint_is_refused(tmp_path, monkeypatch):
    """A second aggregator of the same runs directory names the process of the first."""
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
def test_a_closed_pipe_is_not_an_error(tmp_path):
    """`esper log cat | head -1` ends without a message."""
    path = write_spool(tmp_path, events=5_000)

    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m esper_cli log cat {path} | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0
    assert result.stderr == ""
