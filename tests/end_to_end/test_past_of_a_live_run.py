"""A live run is asked about its past: every answer is the fold of the first events of its log."""

import random
import signal
import time
from contextlib import closing

import pytest
from tests.aggregator.past.recorded_runs import SHAPES

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.past.local_series import LocalSeries
from esper_aggregator.past.steps import finish
from esper_bus import addresses
from esper_bus.net.remote_history import RemoteHistory
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.store.run_reader import read_log, read_raw
from esper_cli import esper
from esper_lite import AnomalyDetected, EpisodeCompleted, PPOUpdatePayload, RolloutCompleted, connect
from esper_schemas.codec import decode_snapshot, encode_snapshot, to_json
from esper_schemas.history import AtEvent, PastSnapshot, SeriesQuestion, SnapshotQuestion

pytestmark = pytest.mark.process
WAIT_S = 60
ASKED = 200


@pytest.fixture
def aggregate(playground, commands, monkeypatch):
    """Starts an aggregator of the playground, which this process can reach."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", playground.environment["XDG_RUNTIME_DIR"])

    def start():
        return playground.start([*commands["esper"], "aggregate", "--runs-dir", str(playground.runs_dir)])

    return start


def train(telemetry, first, end):
    """Emit what belongs to some updates."""
    dice = random.Random(first)
    for update in range(first, end):
        for environment in range(4):
            telemetry.emit(
                EpisodeCompleted(environment=environment, episode=update, episode_return=dice.random())
            )
        telemetry.emit(RolloutCompleted(update=update, env_steps_total=update, mean_return=dice.random()))
        telemetry.emit(
            PPOUpdatePayload(policy_loss=dice.gauss(0.0, 1.0), kl_divergence=0.3 if update % 40 < 9 else 0.01)
        )
        if update % 25 == 0:
            telemetry.emit(AnomalyDetected(update=update, anomaly="large_kl", severity="warning"))


class Viewer:
    """Asks for snapshots, and keeps the answers by their positions."""

    def __init__(self, endpoints, run):
        self.found = {}
        self._history = RemoteHistory(lambda: endpoints, run)
        self._open = set()

    def ask(self, events):
        """Ask for the snapshot after some events."""
        self._open.add(self._history.ask(SnapshotQuestion(AtEvent(events))))

    def answer(self, question):
        """Wait for the answer to another question."""
        number = self._history.ask(question)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for answered, answer in self._history.answers():
                if answered == number:
                    return answer
            time.sleep(0.002)
        return None

    def collect(self):
        """Take the answers that have arrived; returns how many are missing."""
        for number, answer in self._history.answers():
            self._open.discard(number)
            assert isinstance(answer, PastSnapshot), answer
            self.found[answer.place.events] = encode_snapshot(answer.snapshot)
        return len(self._open)

    def close(self):
        """Release the socket."""
        self._history.close()


def collected(viewer):
    """Wait for all answers of a viewer."""
    deadline = time.monotonic() + WAIT_S
    while viewer.collect():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return viewer.found


def folded(run_dir, positions):
    """The encoded snapshots after some numbers of events, of one fold of the log."""
    state, found = RunState(run=run_dir.name), {}
    if 0 in positions:
        found[0] = encode_snapshot(project(state))
    for record in read_log(run_dir):
        fold(state, record.decoded())
        if state.events_folded in positions:
            found[state.events_folded] = encode_snapshot(project(state))
    return found


def test_snapshots_of_a_live_run_are_folds_of_its_log(playground, commands, aggregate, wait_for):
    """While it trains, after its aggregator was killed, and after its end; the trainer notices nothing."""
    endpoints, run_dir = addresses.for_runs_dir(playground.runs_dir), playground.runs_dir / "live"
    dice = random.Random(7)
    aggregator = aggregate()
    with closing(Viewer(endpoints, "live")) as viewer:
        with connect("live", runs_dir=playground.runs_dir) as telemetry:
            for first in range(1, 401, 20):
                train(telemetry, first, first + 20)
                wait_for(lambda: telemetry.stats.acknowledged, what="the first event in the log")
                for _ in range(ASKED // 20):
                    viewer.ask(dice.randrange(first * 6 + 1))
                collected(viewer)
                if first == 201:
                    aggregator.send_signal(signal.SIGKILL)
                    aggregator.wait()
                    aggregator = aggregate()
        for _ in range(20):
            viewer.ask(dice.randrange(2400))
        found = collected(viewer)

    assert telemetry.stats.dropped == 0
    assert len(found) > ASKED // 2
    assert found == folded(run_dir, found)


RECORDED = ("finished", "killed", "damaged", "merged", "resumed")


@pytest.fixture
def recorded(playground):
    """Recorded runs, each named by its shape, of which the merged one has events that only spools have."""
    for shape in RECORDED:
        SHAPES[shape](playground.runs_dir / shape)
    (playground.runs_dir / "merged" / "spool" / "host%3A0.lock").touch()
    return playground.runs_dir


@pytest.mark.slow
def test_socket_command_and_fold_agree_at_any_event(recorded, aggregate, wait_for, capsys):
    """Byte for byte, on runs that were finished, damaged, merged from spools or resumed."""
    endpoints, dice = addresses.for_runs_dir(recorded), random.Random(9)
    aggregate()
    merged = recorded / "merged"
    wait_for(lambda: len(list(read_log(merged))) == len(list(read_raw(merged))), what="the adoption")
    for run in RECORDED:
        events = len(list(read_log(recorded / run)))
        asked = [dice.randrange(events + 1) for _ in range(ASKED // len(RECORDED))]
        with closing(Viewer(endpoints, run)) as viewer:
            for position in asked:
                viewer.ask(position)
            found = collected(viewer)

        assert events > 50
        assert found == folded(recorded / run, set(asked))
        for position in asked:
            assert esper.main(["state", str(recorded / run), "--at", f"event:{position}"]) == 0
            assert capsys.readouterr().out == to_json(decode_snapshot(found[position]), indent=2) + "\n"


def test_another_viewer_sees_the_present_all_the_time(playground, aggregate, wait_for):
    """The questions of one viewer do not change what another one receives."""
    endpoints = addresses.for_runs_dir(playground.runs_dir)
    aggregate()
    live = SocketSource(lambda: endpoints)
    live.select("other")
    with (
        connect("other", runs_dir=playground.runs_dir) as telemetry,
        closing(Viewer(endpoints, "other")) as viewer,
    ):
        train(telemetry, 1, 200)
        wait_for(lambda: telemetry.stats.acknowledged, what="the first event in the log")
        deadline = time.monotonic() + WAIT_S
        while live.poll().snapshot.tamiyo.ppo_updates_count < 199:
            assert time.monotonic() < deadline
            viewer.ask(random.Random(1).randrange(100))
            collected(viewer)
        before = live.poll().snapshot.events_folded
        for events in range(0, 1000, 20):
            viewer.ask(events)
        collected(viewer)

        assert live.poll().snapshot.events_folded == before
        question = SeriesQuestion(metrics=("policy_loss", "kl_divergence"), points=50)
        of_files = finish(LocalSeries(playground.runs_dir / "other").answer(question))
        assert viewer.answer(question) == of_files
    live.close()
