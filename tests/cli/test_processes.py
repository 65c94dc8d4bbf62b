"""Every command once in a process of its own, as a user starts it."""

import json
import os
import subprocess
import sys

import pytest

from esper_schemas.events import LogRecorded, PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload

pytestmark = pytest.mark.process

ESPER = [sys.executable, "-m", "esper_cli"]
SANCTUM = [sys.executable, "-m", "esper_cli.sanctum"]


@pytest.fixture
def process(tmp_path):
    """Runs a command to its end, separate from any other aggregator and settings file."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    def run(*words, piped=None, **variables):
        words = [str(word) for word in words]
        result = subprocess.run(
            words,
            env=environment | variables,
            input=piped,
            capture_output=True,
            check=False,
            cwd=tmp_path,
            timeout=120,
        )
        assert b"Traceback" not in result.stderr, result.stderr.decode()
        return result

    return run


@pytest.fixture
def run_dir(recorded):
    """A recorded run of one update, with an arrow in it."""
    update = PPOUpdateCompleted(update=1, payload=PPOUpdatePayload(kl_divergence=0.2))
    return recorded(RunStarted(task="t"), LogRecorded(level="info", message="a → b"), update)


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "text", "encoding"),
    [
        ("state", b'"findings"', "utf-8"),
        ("diagnose", b"mine: ", "ascii"),
        ("log info", b"3 events from ", "utf-8"),
        ("log verify", b"whole: 3 events", "utf-8"),
        ("log cat", "a → b".encode(), "utf-8"),
        ("log cat", rb"a \u2192 b", "latin-1"),
    ],
)
def test_a_recorded_run_is_read_in_any_encoding(process, run_dir, command, text, encoding):
    """Characters that the encoding does not have are escaped."""
    result = process(*ESPER, *command.split(), run_dir, PYTHONIOENCODING=encoding, PYTHONUTF8="0")

    assert (result.returncode, result.stderr) == (0, b"")
    assert text in result.stdout


@pytest.mark.process
@pytest.mark.parametrize(("output", "code"), [(">&-", 0), (">&- 2>&-", 0), (">/dev/full", 1)])
def test_an_output_that_cannot_be_written_shows_no_traceback(process, run_dir, output, code):
    """A full output is a failure, a closed one is not."""
    assert process("bash", "-c", f"exec {' '.join(ESPER)} log verify {run_dir} {output}").returncode == code


@pytest.mark.process
def test_log_repair_writes_a_copy(process, run_dir, tmp_path):
    """The copy is whole."""
    assert process(*ESPER, "log", "repair", run_dir, tmp_path / "copy.mcap").returncode == 0
    assert process(*ESPER, "log", "verify", tmp_path / "copy.mcap").returncode == 0


@pytest.mark.process
def test_keys_are_created_listed_and_revoked(process, tmp_path):
    """Each command has exit code 0, and the list names the client."""
    results = [
        process(*ESPER, "keys", action, tmp_path / "keys", *name)
        for action, name in (("init", []), ("add", ["box"]), ("list", []), ("remove", ["box"]))
    ]

    assert [result.returncode for result in results] == [0, 0, 0, 0]
    assert b"box" in results[2].stdout


@pytest.mark.process
def test_a_run_is_shipped_to_an_aggregator_and_watched_there(process, run_dir, tmp_path):
    """`esper aggregate`, `esper ship` and `sanctum` are separate processes."""
    (tmp_path / "elsewhere").mkdir()
    aggregator = subprocess.Popen(
        [*ESPER, "aggregate", "--runs-dir", str(tmp_path / "elsewhere")],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ready = aggregator.stderr.readline()
        assert "aggregator ready" in ready
        directory = next(word for word in ready.split() if word.startswith("ingest=")).split("=")[1]
        url = directory.removesuffix("/ingest")
        shipped = process(*ESPER, "ship", run_dir, "--aggregator", url)
        shown = process(*SANCTUM, url, "--json")
    finally:
        aggregator.terminate()
        aggregator.communicate(timeout=60)

    assert aggregator.returncode == 0
    assert shipped.stdout == b"mine/trainer:0: the aggregator has all 3 events\n", shipped.stderr
    assert json.loads(shown.stdout)["events_folded"] == 3


@pytest.mark.process
def test_sanctum_prints_a_frame(process, run_dir):
    """The frame is that of a recorded run."""
    result = process(*SANCTUM, run_dir, "--once")

    assert result.returncode == 0
    assert "PPO LOSSES" in result.stdout.decode()


@pytest.mark.process
@pytest.mark.parametrize(
    "command",
    [
        [*ESPER, "ppo"],
        [*ESPER, "baseline"],
        *([sys.executable, "-m", f"esper_{name}"] for name in ("trainer", "aggregator")),
    ],
    ids=lambda words: " ".join(words[2:]),
)
def test_the_programs_that_train_and_serve_have_a_help(process, command):
    """They are run in other tests."""
    result = process(*command, "--help")

    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(b"usage: ")


@pytest.mark.process
def test_the_version_is_printed(process):
    """The output starts with the name of the program."""
    assert process(*ESPER, "--version").stdout.startswith(b"esper ")


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "text"),
    [
        ([*ESPER, "state", "-"], b'"findings"'),
        ([*ESPER, "diagnose", "-"], b"mine: "),
        ([*ESPER, "log", "info", "-"], b"3 events from "),
        ([*ESPER, "log", "verify", "-"], b"whole: 3 events"),
        ([*ESPER, "log", "cat", "-"], b"LogRecorded"),
        ([*ESPER, "log", "repair", "-", "copy.mcap"], b"3 events written"),
        ([*ESPER, "log", "cut", "-", "part", "--to", "1"], b"an excerpt of mine"),
        ([*SANCTUM, "-", "--once"], b"mine"),
        ([*SANCTUM, "-", "--json"], b'"findings"'),
    ],
)
def test_a_log_is_read_from_standard_input(process, run_dir, command, text):
    """As if the file had been named; the copy is removed."""
    (file,) = (run_dir / "spool").glob("*.mcap")
    temporary = run_dir.parent / "temporary"
    temporary.mkdir()
    result = process(*command, piped=file.read_bytes(), TMPDIR=str(temporary))

    assert (result.returncode, result.stderr) == (0, b"")
    assert text in result.stdout
    assert list(temporary.iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", b"standard input is empty"), (b"not a log", b"standard input is not an MCAP log")],
)
@pytest.mark.parametrize("command", [[*ESPER, "diagnose", "-"], [*SANCTUM, "-", "--once"]])
def test_a_standard_input_without_a_log_is_refused(process, command, data, text):
    """In one sentence."""
    result = process(*command, piped=data)

    assert result.returncode == 1
    assert text in result.stderr
    assert result.stderr.count(b"\n") == 1
