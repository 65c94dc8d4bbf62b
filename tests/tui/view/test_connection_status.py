"""Tests of esper_tui.view.connection_status: the state of the connection, and its sentence."""

import pytest
from msgspec import structs
from tests.tui.foreign import own_scalars_only

from esper_schemas.snapshot import LinkHealth, RunInfo, SanctumSnapshot
from esper_schemas.source import Feed
from esper_tui.view.connection_status import SILENT_AFTER_S, SYMBOLS, ConnectionState, judge_feed

SECOND = 1_000_000_000


LIMIT = int(SILENT_AFTER_S * SECOND)


@pytest.mark.parametrize("name", ["waiting", "stale", "disconnected", "finished", "replay"])
def test_each_feed_has_its_state(feeds, now, name):
    """The feeds of the screens have the states that they are named after."""
    assert judge_feed(feeds[name], now).state == name


def test_a_feed_with_recent_messages_is_live(feeds, now):
    """Aggregator and trainer have sent a message within the limit; the sentence is empty."""
    status = judge_feed(feeds["healthy"], now)

    assert (status.state, status.sentence) == (ConnectionState.LIVE, "")
    assert status.silent_s == pytest.approx(0.5)


def test_the_limit_itself_is_not_silence(make_feed, now):
    """A trainer is stale after more than the limit, not at it."""
    at = make_feed(received_ns=now, sent_ns=now, trainer_message_ns=now - LIMIT)
    beyond = make_feed(received_ns=now, sent_ns=now, trainer_message_ns=now - LIMIT - 1)

    assert judge_feed(at, now).state is ConnectionState.LIVE
    assert judge_feed(beyond, now).state is ConnectionState.STALE


def test_the_aggregators_clock_may_be_wrong(make_feed, make_snapshot, now):
    """The trainer's silence is measured by the aggregator's clock alone, the rest by the local one."""
    hour = 3600 * SECOND
    snapshot = structs.replace(make_snapshot(), link=LinkHealth(lag_ms=3_600_000.0))
    feed = make_feed(snapshot, received_ns=now, sent_ns=now + hour, trainer_message_ns=now + hour - SECOND)

    assert judge_feed(feed, now).silent_s == pytest.approx(1.0)
    assert judge_feed(feed, now).state is ConnectionState.LIVE


def test_a_clock_that_runs_backwards_makes_no_negative_silence(make_feed, now):
    """A message from the future counts as one from now."""
    feed = make_feed(received_ns=now + SECOND, sent_ns=None, trainer_message_ns=now + SECOND)

    assert judge_feed(feed, now).silent_s == 0.0


def test_without_an_aggregator_it_says_how_to_start_one(now):
    """The sentence names the command and the address."""
    status = judge_feed(Feed(origin="ipc:///x"), now)

    assert status.silent_s is None
    assert "`esper ppo`" in status.sentence
    assert "ipc:///x" in status.sentence


def test_an_aggregator_without_a_trainer_is_waiting(now):
    """The sentence says that there is no trainer yet."""
    status = judge_feed(Feed(received_ns=now, sent_ns=now), now)

    assert status.state is ConnectionState.WAITING
    assert "No trainer yet" in status.sentence


def test_a_run_that_the_aggregator_lacks_is_waited_for(now):
    """The sentence says how to find the others."""
    status = judge_feed(Feed(received_ns=now, sent_ns=now, selected="later", runs=("early",)), now)

    assert status.state is ConnectionState.WAITING
    assert status.sentence == "The aggregator has no run later yet; r lists those that it has."


@pytest.mark.parametrize("sender", ["nobody", "aggregator"])
def test_a_user_who_has_started_a_training_is_not_advised_to_start_one(now, sender):
    """Until the trainer sends a message, the sentence is about the start of the training."""
    received = {"received_ns": now, "sent_ns": now} if sender == "aggregator" else {}
    status = judge_feed(Feed(awaited="The training is starting.", **received), now)

    assert (status.state, status.sentence) == (ConnectionState.WAITING, "The training is starting.")


def test_a_trainer_before_its_first_update_is_waiting(now):
    """The run has begun, but there is nothing to show yet."""
    snapshot = SanctumSnapshot(run=RunInfo(run="r", last_event_ns=now))
    feed = Feed(snapshot=snapshot, received_ns=now, sent_ns=now, trainer_message_ns=now)

    assert judge_feed(feed, now).state is ConnectionState.WAITING
    assert "first update" in judge_feed(feed, now).sentence


def test_a_run_read_back_by_a_new_aggregator_is_stale(make_feed, now):
    """Without a message of a trainer, the run's last event determines how long it has been silent."""
    feed = make_feed(trainer_message_ns=None)

    assert judge_feed(feed, now + 60 * SECOND).state is ConnectionState.DISCONNECTED
    later = make_feed(trainer_message_ns=None, received_ns=now + 60 * SECOND)
    assert judge_feed(later, now + 60 * SECOND).state is ConnectionState.STALE


def test_a_finished_run_stays_finished_without_its_aggregator(make_feed, make_snapshot, now):
    """The end of a run is not a connection failure."""
    feed = make_feed(make_snapshot(outcome="failed", reason="disk full"), received_ns=0)

    assert judge_feed(feed, now).state is ConnectionState.FAILED
    assert judge_feed(feed, now).sentence == "Run failed after 17 updates in 12m03s: disk full."


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("completed", ConnectionState.FINISHED),
        ("interrupted", ConnectionState.INTERRUPTED),
        ("failed", ConnectionState.FAILED),
        ("of a newer version", ConnectionState.FINISHED),
    ],
)
def test_each_outcome_has_its_state(make_feed, make_snapshot, now, outcome, state):
    """A failed run does not look like a completed one."""
    assert judge_feed(make_feed(make_snapshot(outcome=outcome)), now).state is state


def test_a_reason_that_is_a_sentence_has_one_full_stop(make_feed, make_snapshot, now):
    """No second full stop is added."""
    feed = make_feed(make_snapshot(outcome="interrupted", reason="The run was ended by SIGINT."))

    assert (
        judge_feed(feed, now).sentence
        == "Run interrupted after 17 updates in 12m03s: The run was ended by SIGINT."
    )


def test_a_problem_of_the_source_is_the_sentence(make_feed, now):
    """The state stays; control characters are replaced."""
    status = judge_feed(make_feed(problem="The key is\x1b not allowed."), now)

    assert status.state is ConnectionState.LIVE
    assert status.sentence == "The key is� not allowed."


def test_an_empty_log_says_so(now):
    """A replay without events is not a run that has not begun, nor a log that is still being read."""
    assert judge_feed(Feed(live=False), now).sentence == "The log contains no events."
    assert judge_feed(Feed(live=False, share_read=0.421), now).sentence == "Reading the log: 42%."


def test_every_state_has_a_symbol_of_its_own():
    """States can be distinguished without colour."""
    assert set(SYMBOLS) == set(ConnectionState)
    assert len({symbol for symbol, _, _ in SYMBOLS.values()}) == len(ConnectionState)


def test_a_trainer_that_only_logs_scalars_is_live(make_feed, now):
    """Nothing is waited for."""
    assert judge_feed(make_feed(own_scalars_only()), now).state is ConnectionState.LIVE


def test_the_end_of_a_run_of_scalars_has_its_last_step(make_feed, now):
    """It has made no updates."""
    snapshot = own_scalars_only()
    ended = structs.replace(snapshot, run=structs.replace(snapshot.run, outcome="completed"))

    assert judge_feed(make_feed(ended), now).sentence == "Run completed at step 500."


def test_a_replay_of_an_excerpt_says_what_it_is():
    """Its end is not that of a log that was broken off."""
    text = "an excerpt of mine from update 3 to update 5; 3 events before and 4 behind are left out"
    snapshot = SanctumSnapshot(events_folded=9, run=RunInfo(run="part", excerpt=text))

    assert judge_feed(Feed(snapshot=snapshot, live=False), 0).sentence == f"This is {text}."
