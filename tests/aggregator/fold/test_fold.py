"""The fold of records to a state is pure and total, and can be interrupted anywhere."""

import copy
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold, fold_all, project

from esper_aggregator.fold import fold as production
from esper_aggregator.fold.run_state import KEPT_EPOCHS, KEPT_EVENTS, KEPT_PRODUCERS, RunState
from esper_schemas import events as e
from esper_schemas.codec import decode_event, encode_event, encode_snapshot
from esper_schemas.declarations import HeadSpec, RunThresholds
from esper_schemas.judgement import Health, judge_field
from esper_schemas.state import Trend


def test_an_update_is_counted_and_its_payload_kept(record_of):
    """The state holds the last ten payloads of a producer, oldest first."""
    state = fold_all(record_of(update(n, policy_loss=float(n))) for n in range(1, 13))
    producer = state.producers["host:0"]

    assert producer.updates == 12
    assert [update.payload.policy_loss for update in producer.ppo_updates] == [float(n) for n in range(3, 13)]
    assert producer.last_update == 12


def test_times_come_from_the_records(record_of):
    """Lag is received minus emitted, and never negative when clocks disagree."""
    state = fold_all([record_of(update(1), at_ns=5_000, lag_ns=250)])

    assert state.lag_ns == 250
    assert state.last_event_ns == 5_000
    assert fold(state, record_of(update(2), at_ns=6_000, lag_ns=-900)).lag_ns == 0


def test_a_hole_is_counted_with_its_size(record_of):
    """Sequence numbers 0, 1, 5: three events are missing."""
    state = fold_all([record_of(update(1)), record_of(update(2)), record_of(update(3), seq=5)])

    assert state.gaps == 3
    assert state.producers["host:0"].updates == 3


def test_a_repeated_event_is_counted_and_not_folded_again(record_of):
    """Sequence numbers 0, 1, 0: the update counts twice, not three times."""
    state = fold_all([record_of(update(1)), record_of(update(2)), record_of(update(1), seq=0)])

    assert state.duplicates == 1
    assert state.producers["host:0"].updates == 2
    assert state.events_folded == 3


def test_a_restarted_producer_continues_under_a_new_epoch(record_of):
    """A new epoch begins at sequence 0 again; that is neither a hole nor a repetition."""
    finished = e.RunFinished(outcome="interrupted", updates=1)
    state = fold_all(
        [record_of(update(1), epoch=1), record_of(finished, epoch=1), record_of(update(2), epoch=2)]
    )
    producer = state.producers["host:0"]

    assert (state.gaps, state.duplicates) == (0, 0)
    assert producer.updates == 2
    assert producer.finished is None


def test_events_of_an_old_epoch_may_arrive_late(record_of):
    """The rest of a dead process's spool comes after its successor has begun: still no hole."""
    records = [record_of(update(n), epoch=epoch) for n, epoch in [(1, 1), (3, 2), (2, 1), (4, 2)]]
    state = fold_all(records)

    assert (state.gaps, state.duplicates) == (0, 0)
    assert state.producers["host:0"].epoch == 2


def test_nan_and_infinity_are_latched_per_head_for_the_rest_of_the_run(record_of):
    """A head that once measured NaN stays marked after it has recovered."""
    state = fold_all(
        [
            record_of(update(1, head_slot_entropy=math.nan, head_tempo_grad_norm=math.inf)),
            record_of(update(2, head_slot_entropy=0.5, head_tempo_grad_norm=0.1)),
        ]
    )
    producer = state.producers["host:0"]

    assert [head for head, seen in producer.nan_latch.items() if seen] == ["slot"]
    assert [head for head, seen in producer.inf_latch.items() if seen] == ["tempo"]


def test_unknown_and_undecodable_events_are_counted_and_shown(record_of):
    """An unknown kind is counted, bytes that are not an event are rejected; both are in the event list."""
    state = fold_all(
        [record_of(e.Unknown(kind="TeapotBoiled", raw=b"")), record_of(e.Undecodable(reason="torn", raw=b""))]
    )

    assert (state.unknown, state.rejected) == (1, 1)
    assert [entry.kind for entry in state.recent_events] == ["TeapotBoiled", "Undecodable"]


def test_dropped_events_add_up(record_of):
    """The state contains the number of events that trainers could not keep."""
    drops = [e.EventsDropped(count=count, first_ns=0, last_ns=1) for count in (3, 4)]

    assert fold_all(record_of(drop) for drop in drops).dropped == 7


def test_an_event_that_breaks_its_handler_is_rejected_and_the_fold_continues(record_of):
    """A value of an impossible type, which only a bug can cause, rejects one event."""
    broken = e.PPOUpdateCompleted(update=1, payload=None)
    state = fold_all([record_of(broken), record_of(update(2))])

    assert state.rejected == 1
    assert state.events_folded == 2
    assert state.producers["host:0"].last_update == 2
    assert len(state.producers["host:0"].ppo_updates) == 1


@pytest.mark.slow
def test_memory_is_bounded(record_of):
    """After 1000 updates the lists have their maximum length."""
    state = RunState()
    for n in range(1_000):
        fold(state, record_of(update(n)))
        fold(state, record_of(e.AnomalyDetected(update=n, anomaly="kl_spike", severity="warning")))

    assert len(state.recent_events) == KEPT_EVENTS
    assert len(state.anomalies) == 50


def test_producers_beyond_the_limit_are_left_out_and_counted(record_of):
    """Known ones continue. The state is validated once, as each validation checks every producer."""
    state = production.fold_all(record_of(update(1), producer=f"p{n}") for n in range(KEPT_PRODUCERS + 3))
    fold(state, record_of(update(2), producer="p0"))

    assert (len(state.producers), state.left_out) == (KEPT_PRODUCERS, 3)
    assert state.producers["p0"].updates == 2


def test_only_the_newest_epochs_of_a_producer_are_remembered(record_of):
    """The table of positions of a producer that restarts very often is bounded."""
    producer = fold_all(record_of(update(1), epoch=n) for n in range(KEPT_EPOCHS + 9)).producers["host:0"]

    assert list(producer.next_seq) == list(range(9, KEPT_EPOCHS + 9))
    assert producer.epoch == KEPT_EPOCHS + 8


@pytest.fixture(scope="module")
def any_records():
    """Random events of every kind from two producers, encoded and decoded."""
    st.register_type_strategy(int, st.integers(-(2**63), 2**64 - 1))
    events = st.one_of([st.from_type(kind) for kind in e.EVENT_TYPES]).map(encode_event).map(decode_event)
    return st.lists(
        st.builds(
            e.Record,
            run=st.just("r"),
            producer=st.sampled_from(["host:0", "host:1"]),
            epoch=st.sampled_from([1, 2]),
            seq=st.integers(0, 5),
            emitted_ns=st.integers(0, 10**18),
            received_ns=st.integers(0, 10**18),
            event=events,
        ),
        max_size=12,
    )


@pytest.mark.slow
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(data=st.data())
def test_any_records_fold_and_project_with_any_interruption(any_records, data):
    """fold(a + b) equals fold(fold(a), b), byte for byte, and nothing raises."""
    records = data.draw(any_records)
    cut = data.draw(st.integers(0, len(records)))
    whole = encode_snapshot(project(fold_all(records)))
    first = fold_all(records[:cut])
    resumed = fold_all(records[cut:], copy.deepcopy(first))

    assert encode_snapshot(project(resumed)) == whole


WIDER = "[kl_divergence]\nwarning_above = 0.5\ncritical_above = 1.0\n"


def judged(record_of, *started, given=None):
    """The snapshot of a run with large updates, each of whose processes gives some thresholds."""
    state = RunState(given=given)
    for epoch, thresholds in enumerate(started, 1):
        begun = e.RunStarted(task="t", thresholds=thresholds, heads=(HeadSpec("move", 4),))
        events = (begun, *[update(4 * epoch + n, kl_divergence=0.4) for n in range(4)])
        for seq, event in enumerate(events):
            fold(state, record_of(event, epoch=epoch, seq=seq))
    return project(state)


def test_a_run_is_judged_by_the_thresholds_that_it_gives(record_of):
    """Its findings, and the health of its values on every screen; 0.4 is critical in the catalogue."""
    unlike, wider = judged(record_of, ""), judged(record_of, WIDER)

    assert [finding.rule for finding in unlike.findings] == ["large_updates"]
    assert judge_field(unlike.tamiyo, "kl_divergence") is Health.CRITICAL
    assert wider.findings == wider.symptoms == ()
    assert judge_field(wider.tamiyo, "kl_divergence") is Health.OK


def test_a_resumed_process_keeps_the_thresholds_of_its_run(record_of):
    """Only others replace them."""
    assert judged(record_of, WIDER, "").findings == ()
    assert judged(record_of, WIDER, WIDER.replace("1.0", "0.6")).tamiyo.thresholds.text.endswith("0.6\n")


def test_the_thresholds_of_a_viewer_replace_those_of_the_run(record_of):
    """Also where the run has none, and whatever a process gives later."""
    strict = RunThresholds("[kl_divergence]\nwarning_above = 0.01\n")

    assert [f.rule for f in judged(record_of, WIDER, WIDER, given=strict).findings] == ["large_updates"]
    assert judged(record_of, "", given=RunThresholds(WIDER)).findings == ()


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ("[mood]\n", "thresholds:1: there is no metric 'mood'"),
        ("[kl_divergence]\nwarning_above = 0.9\n", "inverted"),
        ("[head_mov_entropy]\n", "the nearest is 'head_move_entropy'"),
        ("x" * 40_000, "40,000 characters"),
        ("= \0\ud800", "not valid TOML"),
        ("a = " + "[" * 9_000, "not valid TOML"),
        (f"a = {'9' * 9_000}", "not valid TOML"),
    ],
    ids=["unknown", "inverted", "unknown head", "long", "not toml", "nested", "large number"],
)
def test_thresholds_that_cannot_be_used_are_a_finding(record_of, thresholds, words):
    """The bounds of the catalogue apply, and the text is not kept."""
    snapshot = judged(record_of, thresholds)
    ignored = [finding for finding in snapshot.findings if finding.rule == "thresholds_ignored"]

    assert {finding.rule for finding in snapshot.findings} == {"thresholds_ignored", "large_updates"}
    assert words in ignored[0].evidence[0].text
    assert snapshot.tamiyo.thresholds.text == ""
    assert judge_field(snapshot.tamiyo, "kl_divergence") is Health.CRITICAL


def test_a_trend_is_that_of_the_runs_threshold(record_of):
    """A loss that rises by a third is stable where a trend begins at a half."""
    losses = [update(n, value_loss=1.0 if n < 5 else 1.4) for n in range(10)]
    text = "[value_loss]\ntrend_threshold = 0.5\n"

    plain = project(fold_all(map(record_of, losses)))
    other = project(fold_all([record_of(u, epoch=8) for u in losses], RunState(given=RunThresholds(text))))

    assert plain.tamiyo.trends["value_loss"] is Trend.RISING
    assert other.tamiyo.trends["value_loss"] is Trend.STABLE
