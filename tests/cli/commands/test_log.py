"""`esper log` shows, verifies, prints, repairs and cuts what was recorded."""

import json

import pytest

from esper_schemas.events import LogRecorded, PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload

ATTACK = "\x1b]0;owned\x07 \x9b31m \u202e\r\nforged line"


@pytest.fixture
def run_dir(recorded):
    """A run with a start and two messages, the second of which is hostile."""
    messages = (LogRecorded(level="info", message=message) for message in ("hello", ATTACK))
    return recorded(RunStarted(task="t"), *messages, name="mine")


@pytest.fixture
def torn(recorded):
    """A run whose only file has lost its second half."""
    run_dir = recorded(*(LogRecorded(level="info", message=f"{n}" * 100) for n in range(50)), name="torn")
    file = next((run_dir / "spool").glob("*.mcap"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    return run_dir


def test_info_counts_producers_and_kinds(run_esper, run_dir):
    """It also prints the time of the first and the last event."""
    code, out, err = run_esper("log", "info", run_dir)

    assert (code, err) == (0, "")
    assert out.startswith("3 events from 1970-01-01 00:00:00.000 to 1970-01-01 00:00:02.000, 0:00:02\n")
    assert f"producer  {'trainer:0':<32} {3:>10}" in out
    assert f"kind      {'LogRecorded':<32} {2:>10}" in out
    assert json.loads(run_esper("log", "info", run_dir, "--json").out) == {
        "producers": {"trainer:0": 3},
        "kinds": {"RunStarted": 1, "LogRecorded": 2},
        "first_ns": 0,
        "last_ns": 2_000_000_000,
        "excerpt": "",
    }


def test_a_run_without_events_has_no_info(run_esper, recorded):
    """The exit code is 1."""
    code, out, err = run_esper("log", "info", recorded())

    assert (code, out) == (1, "")
    assert "has no events yet" in err


def test_verify_says_whether_the_run_is_whole(run_esper, run_dir):
    """The exit code is 0 if it is."""
    code, out, _ = run_esper("log", "verify", run_dir)

    assert code == 0
    assert out.startswith(
        "whole: 3 events\n  trainer:0 epoch 0000000000000001: 3 events, 0 missing, 0 repeated"
    )
    assert json.loads(run_esper("log", "verify", run_dir, "--json").out)["ok"]


def test_verify_lists_what_is_damaged(run_esper, torn):
    """The exit code is 1, and the position of the damage is printed."""
    code, out, _ = run_esper("log", "verify", torn)

    assert code == 1
    assert out.startswith("NOT whole: ")
    assert f"  damaged: {next((torn / 'spool').glob('*.mcap'))} at byte " in out


def test_cat_prints_one_line_per_event(run_esper, run_dir):
    """A line has time, producer, number, kind and text; JSON has the whole event."""
    lines = run_esper("log", "cat", run_dir).out.splitlines()
    records = [json.loads(line) for line in run_esper("log", "cat", run_dir, "--json").out.splitlines()]

    assert len(lines) == len(records) == 3
    assert lines[1].startswith("1970-01-01 00:00:01.000  trainer:0#1      LogRecorded          ")
    assert lines[1].endswith("hello")
    assert records[2]["event"]["message"] == ATTACK


@pytest.mark.parametrize("action", ["info", "verify", "cat", "repair"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_recorded_text_cannot_control_the_terminal(run_esper, recorded, tmp_path, action, options):
    """All output is printable, including messages, names and paths."""
    run_dir = recorded(
        LogRecorded(level="info", message=ATTACK), name="a\x1b[31mb\u202ec", producer="p\x9b:0"
    )
    out = [tmp_path / "out\x1b[0m"] if action == "repair" else []
    code, stdout, stderr = run_esper("log", action, run_dir, *out, *options)

    assert code == 0, stderr
    assert stdout
    assert all(line.isprintable() for line in [*stdout.split("\n"), *stderr.split("\n")])


def test_repair_writes_what_can_be_read(run_esper, torn, tmp_path):
    """The original does not change, and the copy is whole."""
    file = next((torn / "spool").glob("*.mcap"))
    before = file.read_bytes()
    code, out, _ = run_esper("log", "repair", torn, tmp_path / "copy.mcap")
    events = int(out.split()[0])

    assert code == 0
    assert (
        out == f"{events} events written to {tmp_path}/copy.mcap; 1 damaged places in {torn} were skipped\n"
    )
    assert file.read_bytes() == before
    assert run_esper("log", "verify", tmp_path / "copy.mcap").code == 0
    again = run_esper("log", "repair", torn, tmp_path / "other.mcap", "--json").out
    assert json.loads(again) == {"events": events, "out": str(tmp_path / "other.mcap")}


def update(number):
    """A PPO update."""
    return PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(policy_loss=0.1))


def test_cut_writes_an_excerpt(run_esper, recorded, tmp_path):
    """It verifies; `info`, `diagnose` and the command itself say what it leaves out."""
    run_dir = recorded(RunStarted(task="t"), *map(update, range(1, 10)))
    out = str(tmp_path / "part")
    said = "an excerpt of mine from update 3 to update 5; 3 events before and 4 behind are left out"

    assert run_esper("log", "cut", str(run_dir), out, "--from", "3", "--to", "5") == (
        0,
        f"4 events written to {out}, {said}\n",
        "",
    )
    assert run_esper("log", "verify", out).code == 0
    assert f"this is {said}" in run_esper("log", "info", out)[1]
    assert f"the recording is {said}" in run_esper("diagnose", out)[1]
    assert json.loads(run_esper("log", "info", out, "--json")[1])["excerpt"] == said


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ([], 1, "first or a last update"),
        (["--from", "0"], 2, "--from"),
        (["--from", "11"], 1, "no update 11"),
        (["--from", "3", "--to", "2"], 1, "behind update 2"),
        (["--fro", "3"], 2, "unknown option --fro"),
    ],
)
def test_an_excerpt_that_cannot_be_made_is_explained(run_esper, recorded, tmp_path, words, code, text):
    """In one sentence."""
    run_dir = recorded(RunStarted(task="t"), *map(update, range(1, 10)))
    result = run_esper("log", "cut", str(run_dir), str(tmp_path / "part"), *words)

    assert result[0] == code
    assert text in result[2]
    assert result[2].count("\n") == 1
