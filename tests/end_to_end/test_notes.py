"""`esper note` as a process: with and without an aggregator, over tcp with keys, and for every viewer."""

import json
import shlex
import shutil

import pytest
from benchmarks.ports import free_ports
from tests.end_to_end.test_tmux import Tmux

from esper_bus.addresses import Endpoints
from esper_lite import PPOUpdateCompleted, PPOUpdatePayload, connect

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def run_dir(playground):
    """A recorded run of five updates."""
    with connect("noted", runs_dir=playground.runs_dir, aggregator=False) as telemetry:
        for update in range(1, 6):
            telemetry.emit(PPOUpdateCompleted(update=update, payload=PPOUpdatePayload(policy_loss=0.1)))
    return playground.runs_dir / "noted"


@pytest.fixture(scope="module")
def keys(playground, commands):
    """The keys of a viewer, and of one that may write notes, as a user creates them."""
    directory = playground.runs_dir.parent / "keys"
    for words in (
        ["init"],
        ["add", "viewer", "--rights", "view"],
        ["add", "ada", "--rights", "view,annotate"],
    ):
        done = playground.run([*commands["esper"], "keys", words[0], str(directory), *words[1:]])
        assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def url(playground, commands, keys):
    """The tcp address of an aggregator, which serves the directory of the run as well."""
    url = f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}"
    words = ["aggregate", "--listen", url, "--server-keys", str(keys)]
    process = playground.start([*commands["esper"], *words])
    for line in process.stdout:
        if "aggregator ready" in line:
            return url
    pytest.fail("the aggregator did not start")


@pytest.fixture
def note(playground, commands):
    """Writes a note; returns the process when it has ended."""
    return lambda *words: playground.run([*commands["esper"], "note", *map(str, words)])


def texts(playground, commands, run_dir):
    """The notes of a run as its files have them."""
    done = playground.run([*commands["esper"], "state", str(run_dir)])
    return [entry["note"]["text"] for entry in json.loads(done.stdout)["notes"]]


def test_a_note_without_an_aggregator_is_in_the_log(playground, commands, run_dir, note):
    """At the update that is named, or else at the last one; the log stays whole."""
    done = note(run_dir, "the rate was halved", "--at", "update:2", "--who", "ada")
    assert (done.returncode, done.stdout) == (0, "noted about update 2 of noted\n"), done.stderr
    assert note(run_dir, "the end").stdout == "noted about update 5 of noted\n"

    verified = playground.run([*commands["esper"], "log", "verify", str(run_dir)])
    shown = playground.run([*commands["esper"], "log", "cat", str(run_dir)]).stdout
    assert verified.returncode == 0, verified.stdout
    assert "about update 2: the rate was halved (ada)" in shown
    assert texts(playground, commands, run_dir) == ["the rate was halved", "the end"]


def test_a_note_reaches_every_viewer(playground, commands, run_dir, note, url, keys):
    """Through the aggregator of the directory, and over tcp with the right to write notes."""
    assert note(run_dir, "from here", "--at", "mark:note").returncode == 0
    done = note("noted", "from afar", "--at", "update:3", "--aggregator", url, "--keys", keys / "ada.key")
    assert (done.returncode, done.stdout) == (0, "noted about update 3 of noted\n"), done.stderr

    done = note("noted", "by its mark", "--at", "mark:note", "--aggregator", url, "--keys", keys / "ada.key")
    assert (done.returncode, done.stdout) == (0, "noted about update 2 of noted\n"), done.stderr

    told = ["from here", "from afar", "by its mark"]
    viewer = [*commands["sanctum"], url, "--run", "noted", "--json", "--keys", str(keys / "viewer.key")]
    shown = json.loads(playground.run(viewer).stdout)
    assert [entry["note"]["text"] for entry in shown["notes"]][-3:] == told
    assert texts(playground, commands, run_dir)[-3:] == told


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["noted", "x", "--aggregator", "URL", "--keys", "viewer.key"],
            "The key 'viewer' may not write notes",
        ),
        (["absent", "x", "--aggregator", "URL", "--keys", "ada.key"], "There is no run 'absent' here"),
        (["noted", "x", "--at", "mark:none", "--aggregator", "URL", "--keys", "ada.key"], "no mark 'none'"),
        (["RUN", "x" * 501], "at most 500 characters"),
        (["RUN", "a\x1bb"], "without U+001B"),
        (["RUN", " "], "says nothing"),
        (["RUN", "x", "--at", "update:99"], "no update 99"),
        (["RUN", "x", "--who", "a\nb"], "without U+000A"),
        (["nothing-here", "x"], "is not a run directory"),
    ],
)
def test_a_note_that_cannot_be_written_is_explained(
    playground, commands, note, run_dir, url, keys, words, text
):
    """In one sentence, and nothing is written."""
    before = texts(playground, commands, run_dir)
    places = {"URL": url, "RUN": run_dir, "viewer.key": keys / "viewer.key", "ada.key": keys / "ada.key"}
    done = note(*(places.get(word, word) for word in words))

    assert done.returncode == 1
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert texts(playground, commands, run_dir) == before


def test_a_replay_takes_no_notes(playground, commands, note, run_dir):
    """It has no log to write them into."""
    url = f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}"
    replay = playground.start([*commands["esper"], "replay", str(run_dir), "--listen", url])
    replay.stdout.readline()
    done = note("noted", "x", "--aggregator", url)

    assert done.returncode == 1
    assert "No notes can be written" in done.stderr


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_a_note_is_written_on_the_screen(playground, commands, run_dir, wait_for):
    """Through the keyboard of a terminal, into the log."""
    tmux = Tmux(playground)
    try:
        screen = shlex.join([*commands["sanctum"], str(run_dir)])
        tmux.command("new-session", "-d", "-x", "120", "-y", "40", screen)
        wait_for(lambda: "update 5" in tmux.screen(), what="the screen")
        tmux.command("send-keys", "m")
        wait_for(lambda: "Note about update 5" in tmux.screen(), what="the prompt")
        tmux.command("send-keys", "-l", "written by hand")
        tmux.command("send-keys", "Enter")
        wait_for(lambda: "Noted about update 5." in tmux.screen(), what="the outcome")
    finally:
        tmux.command("kill-server")

    assert texts(playground, commands, run_dir)[-1] == "written by hand"
