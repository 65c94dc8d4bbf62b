"""What Sanctum opens: a log, an address, the local aggregator."""

import pytest

from esper_bus import addresses
from esper_bus.host.aggregator_lock import AggregatorLock
from esper_cli.output.command_failure import CommandError
from esper_cli.screen import source_selection
from esper_cli.screen.source_selection import first_feed, local_endpoints, open_source
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import EsperError, InvalidArgument
from esper_schemas.events import LogRecorded
from esper_schemas.snapshot import RunInfo, SanctumSnapshot
from esper_schemas.source import Feed


@pytest.fixture(autouse=True)
def own_directories(monkeypatch, tmp_path):
    """Each test has its own sockets and runs."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("ESPER_RUNS_DIR", str(tmp_path / "runs"))


def test_a_path_is_a_recorded_run(recorded):
    """The feed is not live and has all events of the run."""
    source = open_source(str(recorded(LogRecorded(level="info", message="m"))))
    feed = first_feed(source)

    assert not feed.live
    assert feed.snapshot.events_folded == 1


@pytest.mark.parametrize(
    "target", ["no/such/run", "tcp://198.51.100.7:5556", "http://localhost", "tcp://[::"]
)
def test_a_target_that_cannot_be_shown_is_refused(target):
    """These are a missing path, plain TCP to another machine, another scheme and a malformed address."""
    with pytest.raises(EsperError):
        open_source(target)


def test_without_a_target_the_aggregator_of_the_runs_directory_is_shown(tmp_path):
    """It need not be running."""
    assert local_endpoints() == addresses.for_runs_dir(tmp_path / "runs")


def test_another_aggregator_of_this_user_is_shown_if_none_runs_here(tmp_path):
    """It is probably the intended one."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with AggregatorLock(elsewhere):
        assert local_endpoints() == addresses.for_runs_dir(elsewhere)
        (tmp_path / "runs").mkdir()
        with AggregatorLock(tmp_path / "runs"):
            assert local_endpoints() == addresses.for_runs_dir(tmp_path / "runs")


class Source:
    """A source that has a feed."""

    def __init__(self, feed):
        self.feed = feed

    def poll(self):
        """Return the feed."""
        return self.feed


def test_silence_is_a_failure_that_says_what_to_do(monkeypatch):
    """It is reported after a timeout."""
    monkeypatch.setattr(source_selection, "FIRST_SNAPSHOT_TIMEOUT_S", 0.05)
    with pytest.raises(CommandError, match="start a training with `esper ppo`, or name a recorded run"):
        first_feed(Source(Feed()))


def test_a_problem_of_the_source_is_a_failure():
    """The error is the message of the source."""
    with pytest.raises(CommandError, match=r"^The key is refused\.$"):
        first_feed(Source(Feed(problem="The key is refused.")))


@pytest.mark.parametrize("target", [None, "tcp://127.0.0.1:5556"])
def test_thresholds_are_for_recorded_runs(target):
    """An aggregator has judged what it sends."""
    with pytest.raises(InvalidArgument, match="needs a recorded run"):
        open_source(target, thresholds=RunThresholds("rules = {}"))


def test_a_run_of_an_aggregator_can_be_chosen():
    """The source stays with it, even before the aggregator has it."""
    source = open_source(None, run="later")

    assert source.poll().selected == "later"

    source.close()


def test_a_recorded_run_is_chosen_by_its_path(recorded):
    """`--run` beside a path is refused."""
    path = str(recorded(LogRecorded(level="info", message="m")))
    with pytest.raises(InvalidArgument, match="leave out --run"):
        open_source(path, run="mine")


def test_a_name_that_no_run_can_have_is_refused():
    """It would be waited for without end."""
    with pytest.raises(InvalidArgument, match="cannot name a run"):
        open_source(None, run="../runs")


def test_a_missing_run_is_a_failure_that_names_those_that_exist(monkeypatch):
    """It is reported after a timeout, for one frame or as JSON."""
    monkeypatch.setattr(source_selection, "FIRST_SNAPSHOT_TIMEOUT_S", 0.05)
    feed = Feed(origin="tcp://h:1", selected="cartpole", runs=("second", "first"))
    with pytest.raises(CommandError, match="tcp://h:1 has no run 'cartpole'; its newest runs are: second, "):
        first_feed(Source(feed))


class Arriving:
    """A source whose second run, the newer one, arrives after the first."""

    def __init__(self):
        self.polls = 0

    def poll(self):
        """Return the newest run that has arrived."""
        self.polls += 1
        run = "old" if self.polls < 3 else "new"
        return Feed(snapshot=SanctumSnapshot(events_folded=1, run=RunInfo(run=run)))


def test_one_frame_is_of_the_newest_run():
    """It is not of the one that happens to arrive first."""
    assert first_feed(Arriving()).snapshot.run.run == "new"
