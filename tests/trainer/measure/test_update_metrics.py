"""Metrics are averages of totals; a metric without anything to average is not measured."""

import math

import pytest
import torch

from esper_schemas.heads import HEAD_MAX_ENTROPIES, HEADS
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.measure.critic_metrics import rollout_statistics
from esper_trainer.measure.leading_signs import TrunkSample
from esper_trainer.measure.lstm_metrics import LSTMStatistics
from esper_trainer.measure.measurements import Measurements, losses
from esper_trainer.measure.minibatch_statistics import ABSENT, DetailExtremes, DetailSums
from esper_trainer.measure.packed_metrics import payload_of
from esper_trainer.measure.running_totals import RunningTotals
from esper_trainer.measure.self_checks import FirstMinibatch
from esper_trainer.measure.update_metrics import update_metrics
from esper_trainer.model.action_layout import action_layout
from esper_trainer.ppo.batch import Targets
from esper_trainer.ppo.policy_optimiser import LayerInfo

CPU = torch.device("cpu")
CONSTANTS = action_layout(CPU)
NORMAL = TelemetryLevel.NORMAL
LAYERS = LayerInfo(
    ("a", "b", "lstm.c"),
    torch.tensor([4.0, 4.0, 1.0]),
    torch.tensor([0.0, 0.0, 1.0]),
    exploding=5.0,
    dead=1e-8,
    magnitude_bounds=(),
)
"""Three parameters."""


PRODUCTS = torch.tensor(
    [[8.0, 6.0, 8.0, 0.0], [6.0, 32.0, 0.0, 0.0], [8.0, 0.0, 16.0, 10.0], [0.0, 0.0, 10.0, 25.0]]
)
"""Of log-ratio, advantage, 1 and ratio less 1 over 16 steps."""

LSTM = LSTMStatistics(
    norms=torch.tensor([2.0, 6.0]),
    largest=torch.tensor([0.9, 3.0]),
    cell=torch.tensor([-3.0, -5.0]),
    saturated=torch.tensor([[0.5], [1.5], [2.0], [0.0]]).repeat(1, 8),
)
TD_ERRORS = torch.tensor([[1.0, -1.0, 2.0, -4.0]])


def only(*values):
    """A tensor [8] that is 0 beyond these values."""
    return torch.tensor([*values, *[0.0] * (8 - len(values))])


@pytest.fixture
def totals():
    """Two evaluations of ten steps: the op head relevant in all, the slot head in four of them."""
    totals = RunningTotals(CPU, len(LAYERS.names)).read()
    sums = totals.sums._replace(
        relevant=only(20.0, 8.0),
        entropy=only(30.0, 4.0),
        kl=only(0.2, 0.08),
        clipped_above=only(2.0, 1.0),
        clipped_below=only(1.0, 3.0),
        surrogate=only(-10.0, 6.0),
        learnable=only(10.0, 0.0),
        entropy_legal=only(5.0, 0.0),
        squared_errors=torch.tensor(40.0),
        steps=torch.tensor(20.0),
    )
    log2 = math.log(2.0)
    extremes = totals.extremes._replace(
        log_ratio=only(log2, -log2) - only(0, 0, *[2 * ABSENT] * 6),
        negative_log_ratio=only(log2, 2 * log2) - only(0, 0, *[2 * ABSENT] * 6),
        joint_log_ratio=torch.tensor(log2),
        negative_joint_log_ratio=torch.tensor(0.0),
        negative_log_prob=torch.tensor(4.0),
    )
    gradients = totals.gradients._replace(
        norm_before=torch.tensor(3.0),
        norm_after=torch.tensor(2.0),
        heads=only(1.0, 4.0),
        value=torch.tensor(5.0),
        layers=torch.tensor([0.0, 2 * 36.0, 2 * 9.0]),
        attempted=torch.tensor(2.0),
        epochs=torch.tensor(2.0),
    )
    return totals._replace(
        sums=sums,
        extremes=extremes,
        gradients=gradients,
        detail_sums=DetailSums(PRODUCTS),
        detail_extremes=DetailExtremes(torch.tensor(-0.5)),
    )


@pytest.fixture
def critic():
    """Four steps; returns 1, 2, 3, 4 and values that are 0.5 too low or too high."""
    returns = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    advantages = torch.tensor([[0.5, -0.5, 0.5, -0.5]])
    return Targets(advantages, returns, returns - advantages, torch.ones(1, 4), TD_ERRORS)


def payload_from(totals, critic):
    """The payload that follows from both."""
    measurements = Measurements(
        losses(totals.sums),
        totals,
        rollout_statistics(critic, torch.zeros_like(critic.alive)),
        FirstMinibatch(totals.sums, totals.extremes, None),
        LSTM,
        TrunkSample(*torch.ones(2), torch.ones(2), *torch.ones(3)),
    )
    return payload_of(update_metrics(measurements, CONSTANTS, LAYERS, NORMAL), NORMAL, {})


@pytest.fixture
def payload(totals, critic):
    """The payload that follows from both."""
    return payload_from(totals, critic)


def test_losses(payload):
    """-(-10 / 20 + 6 / 8) = -0.25; 0.5 * 40 / 20 = 1."""
    assert payload.policy_loss == pytest.approx(-0.25)
    assert payload.value_loss == pytest.approx(1.0)


def test_tele_170_entropies_are_means_over_relevant_steps(payload):
    """30 / 20 = 1.5 and 4 / 8 = 0.5 nats; a head that was never relevant has none."""
    assert payload.head_op_entropy == pytest.approx(1.5)
    assert payload.head_slot_entropy == pytest.approx(0.5)
    assert payload.head_blueprint_entropy is None
    assert payload.entropy == pytest.approx(2.0)


def test_normalised_entropy_is_the_mean_over_measured_heads(payload):
    """(1.5 / ln 6 + 0.5 / ln 3) / 2."""
    shares = 1.5 / HEAD_MAX_ENTROPIES["op"], 0.5 / HEAD_MAX_ENTROPIES["slot"]

    assert payload.entropy_normalized == pytest.approx(sum(shares) / 2)


def test_entropy_of_legal_choices_needs_a_choice(payload):
    """5 / 10; the slot head never had more than one legal choice."""
    assert payload.head_op_entropy_legal == pytest.approx(0.5)
    assert payload.head_slot_entropy_legal is None


def test_relevance_is_a_share_of_steps(payload):
    """20 / 20, 8 / 20, 0 / 20; measured for every head."""
    values = [getattr(payload, f"head_{head}_relevance") for head in HEADS]

    assert values == pytest.approx([1.0, 0.4, 0, 0, 0, 0, 0, 0])


def test_the_k1_estimator_stands_beside_k3(payload):
    """The sum of the joint log-ratios is 8, over 28 choices."""
    assert payload.kl_k1 == pytest.approx(-8 / 28)


def test_the_trust_region_pools_all_choices(payload):
    """KL 0.28 / 28; three of 28 rose and four fell."""
    assert payload.kl_divergence == pytest.approx(0.01)
    assert payload.head_slot_kl_divergence == pytest.approx(0.01)
    assert payload.clip_fraction == pytest.approx(7 / 28)
    assert payload.clip_fraction_positive == pytest.approx(3 / 28)
    assert payload.clip_fraction_negative == pytest.approx(4 / 28)
    assert payload.head_slot_clip_fraction == pytest.approx(4 / 8)
    assert payload.head_tempo_clip_fraction is None


def test_tele_151_ratios_of_a_head_that_was_never_relevant_are_neutral(payload):
    """Maxima are 2 and 1/2, minima 1/2 and 1/4, all others 1."""
    largest = [getattr(payload, f"head_{head}_ratio_max") for head in HEADS]
    smallest = [getattr(payload, f"head_{head}_ratio_min") for head in HEADS]

    assert largest == pytest.approx([2.0, 0.5, 1, 1, 1, 1, 1, 1])
    assert smallest == pytest.approx([0.5, 0.25, 1, 1, 1, 1, 1, 1])
    assert payload.joint_ratio_max == pytest.approx(2.0)
    assert payload.joint_ratio_min == pytest.approx(1.0)
    assert payload.log_prob_min == -4.0


def test_the_explained_variance(payload):
    """Var(returns) = 1.25, Var(return - value) = 0.25: 1 - 0.25 / 1.25 = 0.8."""
    assert payload.explained_variance == pytest.approx(0.8)
    assert payload.return_mean == pytest.approx(2.5)
    assert payload.return_std == pytest.approx(math.sqrt(1.25))
    assert payload.advantage_mean == pytest.approx(0.0)
    assert payload.advantage_std == pytest.approx(0.5)
    assert payload.value_mean == pytest.approx(2.5)


def test_the_spread_of_the_joint_ratio(payload):
    """Over twenty steps, ratio less 1: mean 10 / 20, mean square 25 / 20; sqrt(1.25 - 0.25) = 1."""
    assert payload.joint_ratio_mean == pytest.approx(1.5)
    assert payload.joint_ratio_std == pytest.approx(1.0)
    assert payload.log_prob_max == -0.5


def test_l3_states_and_gates_of_the_lstm(payload):
    """Sixteen units: 2 / sqrt(16), 6 / sqrt(16), -8 / 16; gates 4, 12 and 0 of 16."""
    assert payload.lstm_hidden_rms == pytest.approx(0.5)
    assert payload.lstm_cell_rms == pytest.approx(1.5)
    assert payload.lstm_cell_mean == pytest.approx(-0.5)
    assert (payload.lstm_hidden_max, payload.lstm_cell_max) == pytest.approx((0.9, 3.0))
    assert payload.lstm_input_gate_saturation == pytest.approx(0.25)
    assert payload.lstm_forget_gate_saturation == pytest.approx(0.75)
    assert payload.lstm_output_gate_saturation == 0.0


def test_layers_that_do_not_learn_or_explode(payload):
    """Norms 0, sqrt(72 / 2) = 6 and sqrt(18 / 2) = 3, of which one is dead and one is above 5."""
    assert payload.dead_layers == 1
    assert payload.exploding_layers == 1
    assert payload.lstm_grad_norm == pytest.approx(3.0)
    assert payload.value_grad_norm == pytest.approx(2.5)


def test_the_spread_of_the_heads_gradients(payload):
    """Norms 0.5, 2 and six zeros: mean 2.5 / 8, mean square 4.25 / 8."""
    mean, square = 2.5 / 8, 4.25 / 8

    assert payload.gradient_cv == pytest.approx(math.sqrt(square - mean**2) / mean)


def test_a_head_learns_where_it_has_a_choice(payload):
    """The op head has one in ten of twenty steps, the slot head never."""
    assert payload.head_op_learnable_fraction == pytest.approx(0.5)
    assert payload.head_slot_learnable_fraction == 0.0


def test_constant_returns_leave_nothing_to_explain(totals, critic):
    """1 - 0 / 0 is not measured, and not infinite."""
    constant = critic._replace(returns=torch.ones(1, 4))

    payload = payload_from(totals, constant)

    assert payload.explained_variance is None
    assert payload.return_std == 0.0


def test_gradient_norms_before_and_after_clipping_are_two_numbers(payload):
    """The maximum before, 3; the mean after, 2 / 2; for each head the mean over steps."""
    assert payload.grad_norm_pre_clip == 3.0
    assert payload.grad_norm == 1.0
    assert payload.head_op_grad_norm == 0.5
    assert payload.head_slot_grad_norm == 2.0
    assert payload.epochs_completed == 2


def test_an_update_without_steps_measures_nothing(critic):
    """All environments are dead from the beginning; ratios keep their default of 1."""
    dead = critic._replace(alive=torch.zeros(1, 4))

    payload = payload_from(RunningTotals(CPU, len(LAYERS.names)).read(), dead)

    assert payload.kl_divergence is None
    assert payload.entropy is None
    assert payload.log_prob_min is None
    assert payload.head_op_relevance is None
    assert payload.joint_ratio_max == 1.0
    assert payload.head_op_ratio_max == 1.0
