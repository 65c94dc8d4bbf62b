"""`sanctum PATH --at MOMENT`: an earlier moment of a recorded run, printed."""

import json

import pytest

from esper_cli import sanctum
from esper_schemas.events import CheckpointSaved, PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload

UPDATES = 9


@pytest.fixture
def run_dir(recorded):
    """A run of nine updates, with a checkpoint after the fifth."""
    events = [RunStarted(task="digits", world_size=1)]
    for update in range(1, UPDATES + 1):
        payload = PPOUpdatePayload(policy_loss=update / 1000, value_loss=0.1)
        events.append(PPOUpdateCompleted(update=update, payload=payload))
        if update == 5:
            events.append(CheckpointSaved(update=5, path="checkpoints/5.pt", duration_ms=1.0))
    return recorded(*events)


@pytest.fixture
def printed(run_dir, capsys):
    """Runs `sanctum` on the run; returns exit code, stdout and stderr."""

    def run(*argv):
        code = sanctum.main([str(run_dir), *argv])
        return code, *capsys.readouterr()

    return run


def update_of(json_text):
    """The last update of a printed snapshot."""
    return json.loads(json_text)["tamiyo"]["last_update"]


@pytest.mark.parametrize(
    ("at", "update"), [("4", 4), ("update:1", 1), ("event:3", 2), ("first-checkpoint", 5), ("9", 9)]
)
def test_the_numbers_of_a_moment_are_printed(printed, at, update):
    """An update, an event or a mark names it."""
    code, out, err = printed("--json", "--at", at)

    assert (code, err) == (0, "")
    assert update_of(out) == update


def test_the_frame_of_a_moment_says_that_it_is_the_past(printed):
    """It has the numbers of then, and how far the end is."""
    code, out, _ = printed("--once", "--at", "4")

    assert code == 0
    assert out.startswith(" ◀ PAST  end: +5")
    assert "0.004" in out
    assert "0.009" not in out


@pytest.mark.parametrize("option", ["--once", "--json"])
@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("10", "sanctum: --at 10: The run has no update 10; choose one from 1 to 9.\n"),
        ("0", "sanctum: --at 0: The run has no update 0; choose one from 1 to 9.\n"),
        ("event:99", "sanctum: --at event:99: The run has no event 99; choose one from 0 to 11.\n"),
        (
            "first-critical",
            "sanctum: --at first-critical: The run has no mark 'first-critical'; its marks are checkpoint.\n",
        ),
    ],
)
def test_a_moment_outside_of_the_run_is_an_error(printed, option, at, said):
    """One sentence names what there is."""
    code, out, err = printed(option, "--at", at)

    assert (code, out, err) == (1, "", said)


def test_the_past_of_the_end_is_the_end(printed):
    """The last update as a moment has the same numbers as the run without `--at`."""
    assert printed("--json", "--at", f"update:{UPDATES}")[1] == printed("--json")[1]
