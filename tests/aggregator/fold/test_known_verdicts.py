"""Trainings whose truth is known, as their trainers log them, and the verdicts on them.

Each is made of the numbers that decide it. What is said of it last, and since when, is what a user reads.
"""

import math

import pytest
from tests.aggregator.fold.validated import fold_all, project

from esper_schemas.events import PPOUpdateCompleted, Record, RolloutCompleted, RunStarted, ScalarsLogged
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.verdict import verdict_text

NORMAL = {"kl_divergence": 0.01, "clip_fraction": 0.1, "explained_variance": 0.7, "entropy": 1.2}


def wave(update):
    """A small change that differs between neighbouring updates, within 1."""
    return math.sin(1.7 * update)


def folded(updates, row, config=None, returns=True):
    """The snapshot after updates whose values are `row(update)`; "return" is that of a rollout."""
    events = [RunStarted(task="t", config=config or {})]
    for update in range(1, updates + 1):
        values = NORMAL | row(update)
        mean_return = values.pop("return", 10.0 + wave(update))
        if returns:
            events.append(RolloutCompleted(update=update, env_steps=64, mean_return=mean_return))
        events.append(PPOUpdateCompleted(update=update, payload=PPOUpdatePayload(**values)))
    return project(fold_all(_records(events)))


def _records(events):
    return [
        Record(run="r", producer="p", epoch=1, seq=seq, emitted_ns=seq, received_ns=seq, event=event)
        for seq, event in enumerate(events)
    ]


def found(snapshot):
    """The findings that are no notices, with the updates since which they apply."""
    return {f.rule: f.since_update for f in snapshot.findings if f.severity != "notice"}


@pytest.mark.parametrize("unit", [1.0, 100.0, 1e5])
def test_rewards_may_have_any_unit(unit):
    """A run that learns is healthy, however large its returns and its value loss are."""

    def row(update):
        return {"return": unit * (update + wave(update)), "value_loss": unit**2 * (1.0 + 0.2 * wave(update))}

    assert verdict_text(folded(120, row).verdict) == "HEALTHY"


def test_a_deterministic_policy_with_constant_returns_has_collapsed():
    """There is no reward signal either; that updates change nothing is no further finding."""

    def row(update):
        low = {"entropy": 0.03, "kl_divergence": 0.0, "clip_fraction": 0.0, "explained_variance": math.nan}
        return {"return": -100.0, "value_loss": 1e-6} | (low if update > 2 else {"entropy": 7.49})

    snapshot = folded(400, row)

    assert found(snapshot) == {"policy_collapse": 3, "no_reward_signal": 2}
    assert all("e+" not in link.text + link.later for f in snapshot.findings for link in f.evidence)


def test_a_policy_that_is_deterministic_from_the_start_has_collapsed():
    """What a choice between many is worth does not matter: 0.03 nats are hardly any."""

    def row(_):
        return {
            "return": -100.0, "value_loss": 0.0, "entropy": 0.03, "kl_divergence": 0.0, "clip_fraction": 0.0,
            "explained_variance": math.nan,
        }  # fmt: skip

    assert found(folded(60, row)) == {"policy_collapse": 1, "no_reward_signal": 1}


@pytest.mark.parametrize("loss", [0.02, 60_000.0])
def test_a_critic_that_explains_nothing_is_found(loss):
    """By update 60 at the latest, whatever its loss and however small the steps are."""

    def row(update):
        return {"explained_variance": 0.03 * wave(update), "value_loss": loss, "kl_divergence": 0.0007}

    assert found(folded(70, row)) == {"critic_idle": 1}


def test_rewards_that_become_larger_are_found_when_they_do():
    """The loss is compared with its own level."""

    def row(update):
        return {"value_loss": (2.0 if update < 25 else 2e6) * (1.0 + 0.1 * wave(update))}

    assert found(folded(40, row)) == {"value_loss_explosion": 25}


def test_an_estimator_may_give_a_negative_divergence():
    """A policy that moves is not frozen."""

    def row(update):
        return {"kl_divergence": -0.02 + 0.01 * wave(update), "clip_fraction": 0.0}

    assert found(folded(60, row)) == {}


@pytest.mark.parametrize(
    "config", [{}, {"epochs": 1}, {"n_epochs": 1, "target_kl": 0.02}, {"target_kl": None}]
)
def test_one_epoch_without_a_target_is_no_early_stop(config):
    """Nor is it where nothing is known about epochs and target."""
    assert found(folded(40, lambda _: {"epochs_completed": 1}, config)) == {}


def test_an_early_stop_is_found_by_whatever_name_its_settings_have():
    """The target has to be set, and there have to be several epochs."""
    for config in ({"epochs": 4, "target_kl": 0.001}, {"update_epochs": 10, "desired_kl": 0.001}):
        assert found(folded(40, lambda _: {"epochs_completed": 1}, config)) == {"early_stop": 1}


@pytest.mark.parametrize(
    ("entropies", "onset"),
    [
        (lambda update: 0.55 if update < 20 else 0.03, 20),
        (lambda update: max(0.71 - 0.02 * update, 0.03), 31),
        (lambda _: 0.03, 1),
    ],
    ids=["at once", "slowly", "from the start"],
)
def test_an_entropy_may_fall_at_once_or_slowly_or_be_low_from_the_start(entropies, onset):
    """It is a collapse where the return has not risen, since the update at which it became low."""
    snapshot = folded(60, lambda update: {"entropy_normalized": entropies(update)})

    assert found(snapshot) == {"policy_collapse": onset}
    assert verdict_text(snapshot.verdict) == f"CRITICAL policy collapse since {onset}"


def test_a_head_may_lose_its_entropy_at_once():
    """Its record says which one."""

    def row(update):
        return {"head_slot_entropy_legal": 0.5 if update < 20 else 0.01}

    snapshot = folded(30, row)

    assert [(f.rule, f.head, f.since_update) for f in snapshot.findings] == [("head_collapse", "slot", 20)]


def test_a_ratio_of_one_head_is_found_without_a_large_divergence():
    """The aggregate hides what one head does."""

    def row(update):
        return {"head_op_ratio_max": 50.0 if update >= 10 else 1.2}

    assert found(folded(20, row)) == {"ratio_explosion": 10}


def test_a_low_entropy_at_the_best_return_is_convergence():
    """It is told once and quietly, and not within 20 updates after a large divergence."""

    def row(update, spike=0):
        rising = min(update, 60) + wave(update)
        return {
            "return": rising, "entropy_normalized": max(0.8 * 0.9**update, 0.02),
            "kl_divergence": 0.3 if update == spike else 0.01,
        }  # fmt: skip

    assert verdict_text(folded(100, row).verdict) == "CONVERGED since 20"
    assert verdict_text(folded(100, lambda update: row(update, spike=90)).verdict) == "HEALTHY"


def test_a_divergence_that_is_infinite_is_not_a_loss_that_is():
    """The title names what was not finite."""

    def row(update):
        return {"kl_divergence": math.inf if update == 9 else 0.01, "policy_loss": 0.1}

    snapshot = folded(12, row)

    assert found(snapshot) == {"kl_not_finite": 9}
    assert "KL divergence" in snapshot.findings[0].title


def test_returns_of_payloads_are_judged_where_there_are_no_rollouts():
    """A loss of return is a notice, and with a low entropy a collapse."""

    def row(update):
        fallen = update >= 40
        return {
            "return_mean": (0.0 if fallen else min(update, 10.0)) + 0.1 * wave(update),
            "entropy_normalized": 0.02 if fallen else 0.6,
        }  # fmt: skip

    snapshot = folded(70, row, returns=False)

    assert found(snapshot) == {"policy_collapse": 40}
    assert "return_collapse" in {finding.rule for finding in snapshot.findings}


def test_values_of_a_library_get_the_same_verdict():
    """A training that only logs, under names of its own, is judged like one that emits payloads."""
    events = [RunStarted(task="t")]
    for step in range(1, 41):
        large = step >= 30
        values = {"train/approx_kl": 2.0 if large else 0.01, "train/clip_fraction": 0.1, "train/loss": 0.5}
        events.append(ScalarsLogged(values=values, step=step))
    snapshot = project(fold_all(_records(events)))

    assert found(snapshot) == {"large_updates": 30}


def test_a_short_run_of_one_epoch_with_a_young_critic_is_no_finding():
    """An explained variance below 0 is usual in the first updates."""
    values = iter([-0.9, -0.8, -0.6, -0.55, 0.1, 0.3, 0.4, 0.5])

    assert found(folded(8, lambda _: {"explained_variance": next(values)}, {"epochs": 1})) == {}


@pytest.mark.parametrize("updates", [1, 2, 9, 2000])
@pytest.mark.parametrize(
    "row",
    [
        lambda _: dict.fromkeys(NORMAL, 0.0),
        lambda _: dict.fromkeys(NORMAL),
        lambda update: {"value_loss": 1e300, "return": (-1.0) ** update * 1e300},
        lambda update: {"value_loss": 5e-324 if update % 2 else 1e308, "grad_norm_pre_clip": 1e-300},
        lambda update: {"explained_variance": 0.5 if update > 1000 else None},
    ],
    ids=["zero", "absent", "absurd", "subnormal", "late"],
)
def test_any_history_has_a_verdict(updates, row):
    """Absurd, absent, constant and late values raise nothing, and have readable evidence."""
    snapshot = folded(updates, row)

    assert snapshot.verdict.word
    assert all(len(link.text) < 160 for finding in snapshot.findings for link in finding.evidence)
