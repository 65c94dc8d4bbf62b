"""A run's own heads: their measurements, histories, latches and symptoms, within limits."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold, fold_all, project

from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.size_limits import MAX_NAME_LENGTH, MAX_NAMES
from esper_aggregator.fold.state_codec import decode_state, encode_state
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import HeadSpec, RunThresholds
from esper_schemas.events import RunStarted
from esper_schemas.heads import HEADS
from esper_schemas.judgement import Health, beyond_bounds, judge_field
from esper_schemas.metrics.overrides import overridden
from esper_schemas.payload import HeadMeasures
from esper_schemas.policy_heads import heads_of

MOVE, AIM, FIRE = HeadSpec("move", 5), HeadSpec("aim", 9), HeadSpec("fire", 2)


def started(*heads, **fields):
    """The start of a run that declares some heads."""
    return RunStarted(task="t", heads=heads, **fields)


def measured(number, **heads):
    """An update with measurements of own heads: `measured(1, move={"entropy": 1.0})`."""
    return update(number, heads={name: HeadMeasures(**fields) for name, fields in heads.items()})


def findings_of(snapshot):
    """Pairs of rule and head."""
    return {(finding.rule, finding.head) for finding in snapshot.findings}


def test_declared_heads_are_in_the_state_before_and_after_the_first_update(shown):
    """The screen knows its columns from the beginning."""
    waiting = shown(started(MOVE, FIRE))
    running = shown(measured(1, move={"entropy": 1.2}))

    assert waiting.tamiyo.head_specs == waiting.run.heads == (MOVE, FIRE)
    assert not waiting.tamiyo.ppo_data_received
    assert running.tamiyo.heads == {"move": HeadMeasures(entropy=1.2)}
    assert running.tamiyo.head_specs == (HeadSpec("move"),)


def test_a_run_without_own_heads_has_those_of_tamiyo(shown):
    """Its flat fields, and no description of a head."""
    tamiyo = shown(RunStarted(task="t"), update(1, head_op_entropy=0.7)).tamiyo

    assert (tamiyo.heads, tamiyo.head_specs) == ({}, ())
    assert [spec.name for spec in heads_of(tamiyo)] == list(HEADS)


def test_the_update_before_and_the_last_values_are_kept(shown):
    """For the arrow of a gradient, and for the charts of the opened page."""
    snapshot = shown(
        started(MOVE),
        measured(1, move={"grad_norm": 0.5, "std": 2.0}),
        measured(2, move={"grad_norm": 0.7}),
    )

    assert snapshot.tamiyo.heads_previous["move"].grad_norm == 0.5
    assert snapshot.histories["heads/move/grad_norm"] == (0.5, 0.7)
    assert snapshot.histories["heads/move/std"] == (2.0, None)
    assert "heads/move/entropy" not in snapshot.histories


def test_each_quantity_of_two_ranks_is_reduced_by_its_metric(record_of):
    """The mean of entropies, the largest and the smallest ratio; a head of one rank is kept."""
    events = []
    for rank, (entropy, high, low) in enumerate([(1.0, 1.1, 0.9), (0.5, 1.4, 0.6)]):
        producer = f"h:{rank}"
        events.append(record_of(started(MOVE, rank=rank, world_size=2), producer=producer))
        heads = {"move": {"entropy": entropy, "ratio_max": high, "ratio_min": low}}
        heads |= {"late": {"entropy": 0.3}} if rank else {}
        events.append(record_of(measured(1, **heads), producer=producer))
    tamiyo = project(fold_all(events)).tamiyo

    assert tamiyo.heads["move"] == HeadMeasures(entropy=0.75, ratio_max=1.4, ratio_min=0.6)
    assert tamiyo.heads["late"].entropy == 0.3
    assert tamiyo.head_specs == (MOVE, HeadSpec("late"))


def test_a_latch_of_an_own_head_outlasts_recovery(shown):
    """Any value of the head sets it; the other heads are not affected."""
    tamiyo = shown(
        started(MOVE, AIM),
        measured(1, move={"kl_divergence": math.nan}, aim={"std": math.inf}),
        measured(2, move={"kl_divergence": 0.1}, aim={"std": 1.0}),
    ).tamiyo

    assert {head for head, seen in tamiyo.head_nan_latch.items() if seen} == {"move"}
    assert {head for head, seen in tamiyo.head_inf_latch.items() if seen} == {"aim"}


def test_an_entropy_is_judged_by_the_size_of_its_head(shown):
    """0.6 nats are 0.87 of the maximum of two choices, 0.37 of five and 0.27 of nine."""
    tamiyo = shown(
        started(MOVE, AIM, FIRE), measured(1, **{name: {"entropy": 0.6} for name in ("move", "aim", "fire")})
    ).tamiyo

    health = {name: judge_field(tamiyo, f"heads/{name}/entropy") for name in ("fire", "move", "aim")}
    assert health == {"fire": Health.OK, "move": Health.WARNING, "aim": Health.WARNING}
    assert beyond_bounds(tamiyo) == ("heads/move/entropy", "heads/aim/entropy")


def test_the_entropy_of_a_continuous_head_has_no_bounds(shown):
    """Differential entropy may be negative; nothing is concluded from it."""
    snapshot = shown(
        started(HeadSpec("steer")),
        *[measured(n, steer={"entropy": 1.4 - n, "std": 0.9, "relevance": 1.0}) for n in range(1, 9)],
    )

    assert judge_field(snapshot.tamiyo, "heads/steer/entropy") is Health.OK
    assert snapshot.symptoms == ()
    assert snapshot.findings == ()


def test_a_head_that_becomes_deterministic_is_named_by_a_finding(shown):
    """Its entropy fell from nearly its maximum to nothing, without any other sign."""
    free, stuck = {"entropy": 1.5}, {"entropy": 0.001}
    events = [measured(n, move=free, aim=free) for n in range(1, 6)]
    events += [measured(n, move=free, aim=stuck) for n in range(6, 9)]
    snapshot = shown(started(MOVE, AIM), *events)

    (finding,) = snapshot.findings
    assert (finding.rule, finding.head, finding.since_update) == ("head_collapse", "aim", 6)
    assert "aim entropy fell by a factor of 1,500" in " ".join(e.text for e in finding.evidence)


def test_a_head_that_converges_slowly_is_no_finding(shown):
    """A policy may become sure, and even halve its entropy in every update but one."""
    events = [measured(n, move={"entropy": 1.5 * 0.6**n}) for n in range(1, 30)]

    assert shown(started(MOVE), *events).findings == ()


def test_masked_entropy_takes_precedence_over_that_of_all_choices(shown):
    """With masks, a low entropy may only mean that few choices were legal."""
    masked = {"entropy": 0.01, "entropy_legal": 0.9}
    events = [measured(n, move={"entropy": 1.5} if n < 3 else masked) for n in range(1, 9)]

    assert shown(started(MOVE), *events).symptoms == ()


def test_ratios_and_gradients_of_own_heads_are_watched(shown):
    """Rules of heads apply; a head without a measured relevance counts as used in every step."""
    events = [
        measured(
            n,
            move={"ratio_max": 40.0, "grad_norm": 0.5},
            aim={"grad_norm": 0.0},
            fire={"grad_norm": 0.0, "relevance": 0.0},
        )
        for n in range(1, 6)
    ]
    snapshot = shown(started(MOVE, AIM, FIRE), *events)

    assert findings_of(snapshot) == {("ratio_explosion", "move"), ("head_frozen", "aim")}


def test_a_projects_bounds_apply_to_own_heads(record_of):
    """Those of all heads, and those of one head by the name of its quantity."""
    state = RunState(given=RunThresholds("[head_ratio_max]\ncritical_above = 3.0"))
    fold_all(map(record_of, [started(MOVE), *[measured(n, move={"ratio_max": 40.0}) for n in (1, 2)]]), state)
    tamiyo = project(state).tamiyo

    assert project(state).symptoms == ()
    text = '[head_ratio_max]\ncritical_above = 3.0\n["heads/move/ratio_max"]\ncritical_above = 90.0'
    of_one = overridden(text)
    by_name = overridden("[head_move_ratio_max]\ncritical_above = 90.0", heads=["move"])
    assert judge_field(tamiyo, "heads/move/ratio_max") is Health.CRITICAL
    assert judge_field(tamiyo, "heads/move/ratio_max", of_one) is Health.WARNING
    assert judge_field(tamiyo, "heads/move/ratio_max", by_name) is Health.WARNING


def test_a_head_that_was_not_declared_appears_with_an_unknown_size(shown):
    """It is shown behind the declared ones, and its entropy has no bounds."""
    first, second = measured(1, move={"entropy": 1.0}), measured(2, late={"entropy": 0.0})
    tamiyo = shown(started(MOVE), first, second).tamiyo

    assert tamiyo.head_specs == (MOVE, HeadSpec("late"))
    assert judge_field(tamiyo, "heads/late/entropy") is Health.OK


def test_a_head_that_changes_its_size_begins_anew(record_of):
    """What was concluded with another size is forgotten; a head that stays the same is remembered."""
    stuck = {"entropy": 0.001}
    state = fold_all(
        map(
            record_of,
            [
                started(MOVE, AIM),
                *[measured(n, move={"entropy": 1.5}, aim={"entropy": 1.5}) for n in (1, 2)],
                *[measured(n, move=stuck, aim=stuck) for n in (3, 4)],
            ],
        )
    )
    assert findings_of(project(state)) == {("head_collapse", "move"), ("head_collapse", "aim")}
    fold(state, record_of(started(HeadSpec("move", 7), AIM, resumed_from=4)))

    assert findings_of(project(state)) == {("head_collapse", "aim")}
    assert project(state).tamiyo.head_specs == (HeadSpec("move", 7), AIM)


def test_a_declared_head_may_have_the_name_of_one_of_tamiyos(shown):
    """Measurements under the flat name, as `log` gives them, are those of the declared head."""
    tamiyo = shown(started(HeadSpec("op", 3)), update(1, head_op_entropy=1.09, head_slot_entropy=0.5)).tamiyo

    assert tamiyo.heads["op"].entropy == 1.09
    assert tamiyo.head_op_entropy is None
    assert [spec.name for spec in tamiyo.head_specs] == ["op", "slot"]
    assert judge_field(tamiyo, "heads/op/entropy") is Health.OK


def test_an_undeclared_head_with_the_name_of_one_of_tamiyos_is_that_head(shown):
    """The size of the eight is known."""
    tamiyo = shown(measured(1, op={"entropy": 0.01})).tamiyo

    assert (tamiyo.heads, tamiyo.head_op_entropy) == ({}, 0.01)
    assert judge_field(tamiyo, "head_op_entropy") is Health.CRITICAL


def test_names_beyond_the_limit_are_left_out_and_counted(record_of):
    """New names at every update neither grow the state nor remove what is known."""
    state = fold_all([record_of(started(MOVE))])
    for number in range(1, 40):
        heads = {f"h{number}-{place}": {"ratio_max": math.nan} for place in range(20)}
        fold(state, record_of(measured(number, move={"entropy": 1.0}, **heads)))
    snapshot = project(state)

    assert len(snapshot.tamiyo.head_specs) == MAX_NAMES
    assert snapshot.tamiyo.heads == {"move": HeadMeasures(entropy=1.0)}
    assert snapshot.link.left_out == 39 * 20 - (MAX_NAMES - 1)
    assert len(encode_snapshot(snapshot)) < 100_000


def test_declarations_beyond_the_limits_are_cut(shown):
    """The number of heads, their names and their choices are limited; a repeated name counts once."""
    heads = [
        HeadSpec("n" * 1000, 3, choices=("c" * 1000,) * 1000),
        *[HeadSpec(f"h{n % 100}") for n in range(200)],
    ]
    specs = shown(started(*heads)).tamiyo.head_specs

    assert len(specs) == len({spec.name for spec in specs}) == MAX_NAMES
    assert len(specs[0].name) == MAX_NAME_LENGTH
    assert len(specs[0].choices) == 128


@pytest.mark.parametrize("size", [0, 1, -5, 2**62, None])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1e308, 1e308, 0.0, None])
def test_any_size_and_any_values_are_folded(record_of, size, value):
    """Nothing is rejected, and a snapshot can be made and encoded."""
    names = HeadMeasures.__struct_fields__
    state = fold_all([record_of(started(HeadSpec("a/b ✗\x1b[31m", size)))])
    for number in range(1, 6):
        heads = {"a/b ✗\x1b[31m": dict.fromkeys(names, value if number > 2 else 1.0), "": {"entropy": value}}
        fold(state, record_of(measured(number, **heads)))

    assert encode_snapshot(project(state))
    assert state.rejected == 0


def test_the_head_is_named_even_if_the_policy_as_a_whole_is_sure(record_of):
    """That one head lost its entropy at once is more than that the policy hardly explores."""
    low = {"entropy_normalized": 0.05}
    state = fold_all([record_of(started(MOVE, AIM))])
    for number in range(1, 9):
        heads = {
            "move": HeadMeasures(entropy=1.5 if number < 4 else 0.001),
            "aim": HeadMeasures(entropy=0.01),
        }
        fold(state, record_of(update(number, heads=heads, **low)))

    assert findings_of(project(state)) == {("head_collapse", "move")}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_heads_that_only_some_ranks_declare_have_their_size(record_of, order):
    """The lowest rank that declares a head describes it, in any order; their number is limited."""
    events = {
        0: [started(rank=0, world_size=3), measured(1, move={"entropy": 1.0}, **_many(0))],
        1: [started(MOVE, AIM, rank=1, world_size=3), measured(1, move={"entropy": 0.5})],
        2: [started(HeadSpec("aim", 4), rank=2, world_size=3), measured(1, **_many(2))],
    }
    records = [record_of(event, producer=f"h:{rank}") for rank in order for event in events[rank]]
    specs = project(fold_all(records)).tamiyo.head_specs

    assert specs[:2] == (MOVE, AIM)
    assert len(specs) == MAX_NAMES


def _many(rank):
    return {f"r{rank}-{place}": {"entropy": 1.0} for place in range(30)}


NAMES = st.sampled_from(["move", "aim", "op", "slot", "a/b", "", *(f"h{n}" for n in range(40))])
VALUES = st.none() | st.floats() | st.sampled_from([0.0, 1e-12, 0.5, 1.5, 50.0])
MEASURES = st.builds(HeadMeasures, **dict.fromkeys(HeadMeasures.__struct_fields__, VALUES))
SPECS = st.builds(HeadSpec, NAMES, st.none() | st.integers(-1, 9))
STARTS = st.builds(lambda specs: started(*specs), st.lists(SPECS, max_size=40))
UPDATES = st.builds(lambda heads: update(1, heads=heads), st.dictionaries(NAMES, MEASURES, max_size=40))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STARTS | UPDATES, max_size=12), st.integers(0, 12))
def test_any_heads_in_any_order_fold_the_same_with_any_interruption(record_of, events, cut):
    """Nothing is rejected, every state is valid, and a checkpoint in between changes nothing."""
    records = [record_of(event, seq=seq) for seq, event in enumerate(events)]
    whole = fold_all(records)
    resumed = fold_all(records[cut:], decode_state(encode_state(fold_all(records[:cut]))))

    assert encode_state(resumed) == encode_state(whole)
    assert encode_snapshot(project(whole))
    assert whole.rejected == 0
