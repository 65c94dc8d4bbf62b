"""What a trainer verifies of its own update is judged in the first update in which it is wrong."""

import pytest

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.projection import project
from esper_schemas.events import PPOUpdateCompleted, Record, RunStarted
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.answers import answers
from esper_schemas.rules.precision import is_low_precision

RULES = {
    "stale_log_probs",
    "inexact_log_probs",
    "log_probs_recomputed",
    "rewards_altered",
    "advantages_wrong",
    "advantage_sign",
}
FOUND = RULES | {"large_updates"}
HEALTHY = {
    "initial_ratio_max": 4.8e-7,
    "initial_kl": -8e-10,
    "gae_residual": 1e-6,
    "reward_checksum_error": 0.0,
    "advantage_correlation": 0.1,
    "kl_divergence": 0.004,
    "clip_fraction": 0.02,
    "kl_final": 0.006,
    "entropy_normalized": 0.7,
}


def found(*updates, device="cpu", **config):
    """The rules of self checks that apply after some updates, with the update since which they do."""
    started = RunStarted(task="t", device=device, config=config)
    completed = [
        PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(**HEALTHY | fields))
        for number, fields in enumerate(updates, start=1)
    ]
    records = [
        Record(run="r", producer="p", epoch=1, seq=n, emitted_ns=n, received_ns=n, event=event)
        for n, event in enumerate([started, *completed])
    ]
    findings = project(fold_all(records)).findings
    return {finding.rule: finding.since_update for finding in findings if finding.rule in FOUND}


def test_a_healthy_training_has_none():
    """Rounding is not a fault."""
    assert found(*[{}] * 20) == {}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"initial_ratio_max": 0.03}, "stale_log_probs"),
        ({"initial_kl": 3e-4}, "stale_log_probs"),
        ({"initial_ratio_max": 0.0027}, "inexact_log_probs"),
        ({"initial_kl": 2e-5}, "inexact_log_probs"),
        ({"gae_residual": 0.02}, "advantages_wrong"),
        ({"reward_checksum_error": 2e-4}, "rewards_altered"),
    ],
)
def test_an_identity_that_is_broken_is_found_in_that_update(fields, rule):
    """One update is enough, and there is one finding for it."""
    assert found({}, {}, fields) == {rule: 3}


def test_wrong_rewards_explain_wrong_advantages():
    """The advantages follow from the rewards of the environment, which the learner does not have."""
    assert found({"gae_residual": 1.0, "reward_checksum_error": 0.1}) == {"rewards_altered": 1}


@pytest.mark.parametrize(
    "run",
    [
        {"precision": "bfloat16"},
        {"precision": "16-mixed"},
        {"dtype": "torch.float16"},
        {"training.bf16": True},
        {"device": "cuda:0"},
    ],
)
def test_rounding_of_low_precision_is_expected(run):
    """A difference that it cannot explain is still found."""
    assert found({"initial_ratio_max": 0.0075}, **run) == {}
    assert found({"initial_ratio_max": 0.1}, **run) == {"stale_log_probs": 1}


@pytest.mark.parametrize("config", [{}, {"precision": "float32"}, {"bf16": False}, {"clip_range": True}])
def test_other_settings_do_not_declare_low_precision(config):
    """Neither float32 nor a switch that is off does."""
    assert not is_low_precision(config, "cpu")


class TestRecomputedLogProbs:
    """A policy that moved although no ratio of its update differed from 1 is trained without clipping."""

    UNSEEN = {"kl_divergence": 0.0, "clip_fraction": 0.0, "kl_final": 0.08}

    def test_it_is_found_in_the_second_such_update(self):
        """The finding names the first."""
        assert found(*[{}] * 3, self.UNSEEN) == {}
        assert found(*[{}] * 3, *[self.UNSEEN] * 2) == {"log_probs_recomputed": 4}

    @pytest.mark.parametrize(
        "fields",
        [{"kl_divergence": 0.01}, {"clip_fraction": 0.1}, {"kl_final": 1e-5}, {"kl_final": None}],
        ids=["KL", "clipped", "unmoved", "unmeasured"],
    )
    def test_what_minibatches_see_or_a_policy_that_rests_is_not(self, fields):
        """A step that moves nothing leaves a KL divergence of 0, too."""
        assert "log_probs_recomputed" not in found(*[self.UNSEEN | fields] * 10)

    def test_an_update_of_one_step_always_has_ratios_of_1(self):
        """Its only minibatch is seen before the step."""
        assert found(*[self.UNSEEN] * 10, n_epochs=1) == {}


def test_one_update_far_beyond_any_healthy_one_is_found_at_once():
    """Its KL divergence after the last step says so, whatever its minibatches saw."""
    wild = {"kl_final": 8.0, "clip_fraction": 0.0}

    assert found(*[{}] * 3, wild) == {"large_updates": 4}
    assert found(*[{}] * 3, wild | {"kl_final": 1.0}) == {}


class TestAdvantageSign:
    """Negative correlations of advantages and changes add up, until positive ones outweigh them."""

    def test_reversed_updates_are_found_within_three(self):
        """Healthy updates before them make no difference."""
        reversed_ = {"advantage_correlation": -0.1}

        assert found(*[reversed_] * 2) == {}
        assert found(*[reversed_] * 3) == {"advantage_sign": 3}
        assert found(*[{}] * 10, *[reversed_] * 3) == {"advantage_sign": 13}

    def test_one_extreme_correlation_is_not_enough(self):
        """What one update counts for is limited."""
        assert found(*[{}] * 10, {"advantage_correlation": -1.0}) == {}

    def test_a_few_negative_correlations_are_normal(self):
        """Small batches and the optimiser's momentum cause them."""
        assert found(*[{}, {"advantage_correlation": -0.08}] * 10) == {}

    @pytest.mark.parametrize(
        "fields",
        [
            {"entropy_normalized": 0.05},
            {"kl_divergence": 1e-9},
            {"return_mean": -50.0, "return_std": 0.01},
        ],
        ids=["certain", "unmoved", "equal returns"],
    )
    def test_updates_that_can_hardly_learn_do_not_count(self, fields):
        """What their correlation has is noise."""
        assert found(*[{"advantage_correlation": -0.2} | fields] * 20) == {}


def account(fields, **run):
    """What each rule of self checks answers about a run of ten equal updates: verdict, needs and reason."""
    started = RunStarted(task="t", **run)
    events = [
        started,
        *(PPOUpdateCompleted(update=n, payload=PPOUpdatePayload(**fields)) for n in range(1, 11)),
    ]
    records = [
        Record(run="r", producer="p", epoch=1, seq=n, emitted_ns=n, received_ns=n, event=event)
        for n, event in enumerate(events)
    ]
    found = answers(project(fold_all(records)))
    return {a.rule: (a.verdict, a.needs, a.reason) for a in found if a.rule in RULES}


def test_what_is_not_checked_is_not_judged():
    """Each rule names the check that it needs."""
    found = account({"kl_divergence": 0.01})

    assert {verdict for verdict, *_ in found.values()} == {"could not judge"}
    assert found["advantages_wrong"][1] == ("gae_residual",)
    assert found["rewards_altered"][1] == ("reward_checksum_error",)
    assert found["advantage_sign"][1] == ("advantage_correlation",)
    assert found["stale_log_probs"][1] in (("initial_ratio_max",), ("initial_kl",))


def test_what_is_checked_is_fine():
    """One check of the first minibatch is enough."""
    assert {verdict for verdict, *_ in account(HEALTHY).values()} == {"fine"}
    assert account({"initial_kl": 0.0})["stale_log_probs"][0] == "fine"


def test_small_errors_are_not_judged_in_low_precision():
    """The answer gives the reason."""
    verdict, _, reason = account(HEALTHY, device="cuda")["inexact_log_probs"]

    assert (verdict, reason) == ("not applicable", "the run has low precision")
