"""Norms, magnitudes and directions of gradients, against hand calculations and a slow reference."""

import math
from itertools import combinations

import pytest

pytest.importorskip("torch")

import torch

from esper_schemas.events import HeadGradientsCompared, LayerGradientsSampled
from esper_schemas.heads import HEADS
from esper_schemas.metrics import DEAD_GRADIENT_FACTOR, EXPLODING_GRADIENT_FACTOR, MAGNITUDE_FACTORS
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.measure.gradient_collector import (
    CollectedGradients,
    RowGradients,
    collect_gradients,
)
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.distributions import evaluate
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import compute_targets, make_batch
from esper_trainer.ppo.losses import clipped_surrogate, log_ratio, masked_mean, squared_error, value_loss
from esper_trainer.ppo.rollout_collector import RolloutCollector
from esper_trainer.telemetry.debug_events import diagnostic_events, gradient_events

CPU = torch.device("cpu")
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=6)


class Training:
    """A small policy, its PPO and one rollout, all with fixed seeds."""

    def __init__(self, **settings):
        self.config = TrainingConfig(environments=4, hidden_size=16, **settings)
        self.layout = action_layout(CPU)
        self.environment = MorphEnvironment(4, SHORT, seed=0, device=CPU)
        self.policy = Tamiyo(116, 16, seed=0)
        self.choices = self.environment.action_masks().choices
        self.ppo = PPO(self.policy, self.layout, self.choices, self.config)
        collector = RolloutCollector(self.policy, self.environment, self.layout, seed=1)
        self.rollout = collector.collect(lambda: None).transitions

    def diagnostics(self):
        """The events of a diagnosis."""
        return list(diagnostic_events(3, self.ppo.optimiser.layers, self.ppo.diagnose(self.rollout)))


@pytest.fixture
def trained():
    """A training after two updates, so that ratios are not 1."""
    training = Training(entropy_coefficient=0.0, learning_rate=3e-2)
    for _ in range(2):
        training.ppo.update(training.rollout)
    return training


def parts_of_the_loss(training, hidden):
    """The loss of each head, and of the critic, as functions of the trunk's output [T, B, H]."""
    config, policy = training.config, training.policy
    targets = compute_targets(training.rollout, config.gamma, config.gae_lambda)
    batch = make_batch(training.rollout, targets, training.choices, training.layout).flatten()
    rows = policy.output(hidden.flatten(0, 1)).t()
    log_probs, _ = evaluate(rows[:-1], batch.penalty, batch.actions, training.layout)
    ratios = log_ratio(log_probs, batch.old_log_probs).exp()
    surrogate = clipped_surrogate(ratios, batch.advantages, config.clip_range)
    yield from (-masked_mean(surrogate, batch.relevance)).unbind()
    squared_errors = squared_error(rows[-1], batch.old_values, batch.returns, config.value_clip)
    yield config.value_coefficient * value_loss(squared_errors, batch.alive)


def test_cosines_are_those_of_each_heads_own_gradient_on_the_trunk(trained):
    """They equal those of nine backward passes, one per head and one for the critic."""
    hidden = trained.policy.lstm(trained.policy.features(trained.rollout.observations))[0]
    slow = {
        name: torch.autograd.grad(part, hidden, retain_graph=True)[0].flatten()
        for name, part in zip((*HEADS, "value"), parts_of_the_loss(trained, hidden), strict=True)
    }
    slow = {name: gradient for name, gradient in slow.items() if gradient.norm() > 0}
    (event,) = [event for event in trained.diagnostics() if isinstance(event, HeadGradientsCompared)]

    assert event.heads == tuple(slow)
    assert {"op", "value"} <= set(event.heads)
    assert event.norms == pytest.approx([gradient.norm().item() for gradient in slow.values()], rel=1e-3)
    expected = [torch.cosine_similarity(one, other, dim=0) for one, other in combinations(slow.values(), 2)]
    assert event.cosines == pytest.approx([cosine.item() for cosine in expected], abs=1e-3)


def test_with_value_normalisation_the_critics_part_is_in_the_units_of_its_row():
    """Its norm is that of the gradient of the normalised loss at the trunk."""
    training = Training(value_normalisation="popart")
    with torch.no_grad():
        training.policy.value_std.fill_(50.0)
    trunk = []
    handle = training.policy.lstm.register_forward_hook(lambda _, __, output: trunk.append(output[0]))
    event = training.diagnostics()[1]
    handle.remove()
    targets = compute_targets(training.rollout, training.config.gamma, training.config.gae_lambda)
    batch = make_batch(training.rollout, targets, training.choices, training.layout).flatten()
    hidden = trunk[0].detach().requires_grad_()
    rows = training.policy.output(hidden.flatten(0, 1)).t()
    values = training.policy.value_mean + rows[-1] * training.policy.value_std
    squared_errors = squared_error(values, batch.old_values, batch.returns, training.config.value_clip)
    loss = training.config.value_coefficient * value_loss(squared_errors, batch.alive) / 50.0**2

    assert event.heads[-1] == "value"
    assert event.norms[-1] == pytest.approx(torch.autograd.grad(loss, hidden)[0].norm().item(), rel=1e-3)


class TestByHand:
    """Two units in the trunk, one step, gradients that are easy to multiply."""

    def compared(self, logits, value, weight):
        """The comparison that follows from gradients {row: number} of one step and weights {row: (a, b)}."""
        rows, weights = torch.zeros(41, 1), torch.zeros(42, 2)
        for row, gradient in logits.items():
            rows[row] = gradient
        for row, pair in weight.items():
            weights[row] = torch.tensor(pair)
        gradients = RowGradients(rows, torch.tensor([value]))
        collected = collect_gradients((torch.ones(1),), (1.0,), gradients, weights, action_layout(CPU))
        _, event = gradient_events(1, ("a",), (1.0,), collected)
        return event

    def test_opposite_heads(self):
        """op sends (3, 4), slot (-6, -8), the critic (0, 2): norms 5, 10, 2; cosines -1, 0.8, -0.8."""
        event = self.compared({0: 1.0, 6: -2.0}, 1.0, {0: (3.0, 4.0), 6: (3.0, 4.0), 41: (0.0, 2.0)})

        assert event.heads == ("op", "slot", "value")
        assert event.norms == pytest.approx((5.0, 10.0, 2.0))
        assert event.cosines == pytest.approx((-1.0, 0.8, -0.8))

    def test_rows_of_one_head_are_added_up(self):
        """Two rows of op send (1, 0) and (0, 1): the norm is the root of 2."""
        event = self.compared({0: 1.0, 1: 1.0}, 0.0, {0: (1.0, 0.0), 1: (0.0, 1.0)})

        assert (event.heads, event.norms, event.cosines) == (("op",), (pytest.approx(math.sqrt(2)),), ())

    def test_very_small_gradients_have_directions_too(self):
        """The square of 1e-25 is too small for float32, and yet the cosine is 1."""
        event = self.compared({0: 1e-25, 6: 1e-25}, 0.0, {0: (1.0, 0.0), 6: (1.0, 0.0)})

        assert event.norms == pytest.approx((1e-25, 1e-25))
        assert event.cosines == pytest.approx((1.0,))

    def test_a_gradient_that_is_not_a_number_is_recorded_as_it_is(self):
        """Its norm and its cosine are NaN."""
        event = self.compared({0: math.nan, 6: 1.0}, 0.0, {0: (1.0, 0.0), 6: (1.0, 0.0)})

        assert math.isnan(event.norms[0])
        assert math.isnan(event.cosines[0])


def test_l1_entries_are_sorted_by_magnitude():
    """Of 0, 1e-9, 1e-7, -0.5, 2, -3, inf and NaN with bounds 1e-8 and 1: 2, 2, 2 and 2 not finite."""
    entries = torch.tensor([0.0, 1e-9, 1e-7, -0.5, 2.0, -3.0, math.inf, math.nan])
    nothing = RowGradients(torch.zeros(41, 1), torch.zeros(1))
    collected = collect_gradients((entries,), (1e-8, 1.0), nothing, torch.zeros(42, 2), action_layout(CPU))
    event, compared = gradient_events(1, ("a",), (1e-8, 1.0), collected)

    assert event.magnitudes == {"a": (2, 2, 2, 2)}
    assert event.magnitude_bounds == (1e-8, 1.0)
    assert compared.heads == ()


def test_l1_every_entry_of_every_parameter_is_counted(trained):
    """In a real training counts add up to the size of the parameter, and bounds are ascending."""
    (event,) = [event for event in trained.diagnostics() if isinstance(event, LayerGradientsSampled)]
    sizes = {name: parameter.numel() for name, parameter in trained.policy.named_parameters()}

    assert {name: sum(counts) for name, counts in event.magnitudes.items()} == sizes
    assert {len(counts) for counts in event.magnitudes.values()} == {len(event.magnitude_bounds) + 2}
    assert list(event.magnitude_bounds) == sorted(event.magnitude_bounds)


@pytest.mark.parametrize("max_grad_norm", [0.5, 20.0])
def test_m1_bounds_of_gradients_are_proportional_to_the_clipping_norm(max_grad_norm):
    """These are the bounds of exploding and dead layers, and those of magnitudes."""
    layers = Training(max_grad_norm=max_grad_norm).ppo.optimiser.layers

    assert layers.exploding == EXPLODING_GRADIENT_FACTOR * max_grad_norm
    assert layers.dead == DEAD_GRADIENT_FACTOR * max_grad_norm
    assert layers.magnitude_bounds == tuple(factor * max_grad_norm for factor in MAGNITUDE_FACTORS)


def test_collected_gradients_are_plain_numbers_on_the_host():
    """Counts that were packed as float32 become integers again."""
    collected = CollectedGradients(
        torch.ones(1), torch.tensor([[3.0, 4.0]]), torch.zeros(9), torch.zeros(9, 9)
    )
    event, _ = gradient_events(1, ("a",), (), collected)

    assert event.magnitudes == {"a": (3, 4)}
    assert all(isinstance(count, int) for count in event.magnitudes["a"])
