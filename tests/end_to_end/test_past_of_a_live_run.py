"""A live run is asked about its past: every answer is the fold of the first events of its log."""

import random
import signal
import time
from contextlib import closing

import pytest

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_bus import addresses
from esper_bus.net.remote_history import RemoteHistory
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.store.run_reader import read_log
from esper_lite import AnomalyDetected, EpisodeCompleted, PPOUpdatePayload, RolloutCompleted, connect
from esper_schemas.codec import encode_snapshot, to_json
from esper_schemas.history import AtEvent, PastSnapshot, SnapshotQuestion

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
    state, found = RunState(run="live"), {}
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
    for events in list(found)[:2]:
        result = playground.run([*commands["esper"], "state", str(run_dir), "--at", f"event:{events}"])

        assert result.returncode == 0, result.stderr
        assert result.stdout == to_json(project_at(run_dir, events), indent=2) + "\n"


def project_at(run_dir, events):
    """The snapshot of a plain fold of the first events."""
    state = RunState(run="live")
    for record in read_log(run_dir):
        if state.events_folded == events:
            break
        fold(state, record.decoded())
    return project(state)


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
    live.close()
