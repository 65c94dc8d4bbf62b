"""What healthy trainings do now and then, and what looks like it: which of it is a finding."""

import pytest
from tests.aggregator.fold.test_known_verdicts import folded, found, wave

from esper_schemas.verdict import verdict_text


def test_a_learning_rate_that_was_annealed_freezes_no_policy():
    """The last updates of a training hardly change it; a learning rate that falls at once is a mistake."""

    def row(update, rate):
        return {"learning_rate": rate, "kl_divergence": rate**2 * 2e-4, "clip_fraction": 0.0}

    assert found(folded(400, lambda update: row(update, 1.0 - update / 401))) == {}
    at_once = folded(40, lambda update: row(update, 1.0 if update < 20 else 1e-6))
    assert found(at_once) == {"policy_frozen": 20}


def test_a_policy_that_has_moved_after_the_last_step_is_not_frozen():
    """However small the divergence is that minibatches report, if they report one."""

    def row(update):
        return {"kl_divergence": 5e-8, "clip_fraction": 0.0, "kl_final": 0.02}

    assert found(folded(20, row)) == {}
    assert "policy_frozen" in found(folded(20, lambda update: row(update) | {"kl_final": 0.0}))


def test_one_other_return_ends_a_streak_of_equal_ones():
    """A rare reward is a signal."""

    def row(update):
        return {"return": 1.0 if update % 8 == 1 else 0.0}

    assert "no_reward_signal" not in found(folded(60, row))
    assert "no_reward_signal" in found(folded(60, lambda update: {"return": 0.0}))


def test_an_explained_variance_of_hardly_any_returns_is_not_judged():
    """Between rare rewards returns vary little, and the error of the critic is small, too."""

    def row(update, quiet):
        rare = update % 12 == 0
        return {"explained_variance": 0.4 if rare else -5.0, "value_loss": 0.02 if rare else quiet}

    assert "critic_not_learning" not in found(folded(120, lambda update: row(update, 1e-5)))
    assert "critic_not_learning" in found(folded(120, lambda update: row(update, 0.02)))


@pytest.mark.parametrize("name", ["entropy", "entropy_normalized"])
def test_a_policy_that_becomes_certain_at_once_has_not_learned_it(name):
    """Whatever its return is; one that becomes certain little by little has converged."""

    def row(update, entropy):
        rising = min(update, 60) + wave(update)
        return {"entropy": None, name: entropy, "return": rising}

    at_once = folded(70, lambda update: row(update, 0.8 if update < 65 else 0.01))
    gradual = folded(70, lambda update: row(update, 0.8 * 0.9**update))

    assert found(at_once) == {"abrupt_collapse": 65}
    assert verdict_text(gradual.verdict).startswith("CONVERGED")


def test_a_policy_that_converged_and_then_lost_its_return_has_collapsed_since_then():
    """Not since it converged."""

    def row(update):
        return {
            "return": float(min(update, 50)) if update < 150 else 1.0,
            "entropy": max(1.2 * 0.93**update, 0.01),
        }

    since = found(folded(260, row))["policy_collapse"]
    assert 150 <= since <= 153
