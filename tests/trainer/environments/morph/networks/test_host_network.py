"""The written-out passes of the hosts agree with plain formulas and with autograd."""

from itertools import product

import pytest
import torch
from torch.nn.functional import cross_entropy

from esper_schemas.heads import Blueprint, Style
from esper_trainer.environments.morph.networks import blueprints, host_network
from esper_trainer.environments.morph.networks.host_network import SLOTS, HostWeights
from esper_trainer.environments.morph.networks.seed_block import BlendWeights, SeedMode

CPU = torch.device("cpu")
TABLES = blueprints.build(CPU)
ENVIRONMENTS = 5
ROWS = 7
GENERATOR = torch.Generator().manual_seed(0)


def random_weights() -> HostWeights:
    """Random weights without any structure, in double precision."""
    shapes = [weight.shape for weight in host_network.zeros(ENVIRONMENTS, CPU)]
    return HostWeights(*(0.3 * torch.randn(s, generator=GENERATOR, dtype=torch.float64) for s in shapes))


def mode(blueprint: Blueprint, style: Style, alpha: float, *, training: bool = False) -> SeedMode:
    """The mode of one slot, the same in every environment."""
    shape = (ENVIRONMENTS, 1, 1)

    def full(number: float) -> torch.Tensor:
        return torch.full(shape, float(number), dtype=torch.float64)

    def blend(weight: float) -> BlendWeights:
        return BlendWeights(
            additive=full(weight * (style in (Style.LINEAR_ADD, Style.SIGMOID_ADD))),
            gated=full(weight * (style is Style.GATED_GATE)),
            multiplied=full(weight * (style is Style.LINEAR_MULTIPLY)),
        )

    return SeedMode(
        floor=full(TABLES.floor[blueprint].item()),
        attends=full(TABLES.attends[blueprint].item()),
        passing=full(alpha > 0),
        blend=blend(alpha),
        learning=blend(1.0 if training else alpha),
    )


def batch():
    """Random features and labels."""
    features = torch.randn(ENVIRONMENTS, 32, ROWS, generator=GENERATOR, dtype=torch.float64)
    return features, torch.randint(10, (ENVIRONMENTS, ROWS), generator=GENERATOR)


def plain_block(x, weights: HostWeights, slot: int, r: SeedMode, blend: BlendWeights):
    """What the seed block adds to x, by its definition."""
    inner = torch.einsum("noi,nir->nor", weights.seed_inner[slot], x)
    attention = torch.softmax(inner[:, 32:40], dim=1).repeat_interleave(4, dim=1)
    context = (x * attention).view(ENVIRONMENTS, 8, 4, -1).sum(1).repeat(1, 8, 1)
    hidden = torch.maximum(inner[:, :32], r.floor) + r.attends * context
    g = torch.einsum("noi,nir->nor", weights.seed_outer[slot], hidden)
    weight = blend.additive + blend.gated * torch.sigmoid(inner[:, 40:])
    return weight * g + blend.multiplied * x * g.clamp(-1, 1)


def plain_logits(features, weights: HostWeights, modes: list[SeedMode]):
    """One forward pass for autograd to record; TRAINING is straight-through and isolated."""
    for slot, r in enumerate(modes):
        units = torch.relu(weights.block_in[slot] @ features)
        features = features + weights.block_out[slot] @ units
        added = plain_block(features, weights, slot, r, r.blend)
        isolated = plain_block(features.detach(), weights, slot, r, r.learning)
        features = features + torch.where(r.passing == 0, isolated - isolated.detach(), added)
    return weights.readout @ features


def without(modes: list[SeedMode], slot: int) -> list[SeedMode]:
    """The modes with one seed's output switched off."""
    off = modes[slot]._replace(blend=BlendWeights(*(torch.zeros_like(part) for part in modes[slot].blend)))
    return [*modes[:slot], off, *modes[slot + 1 :]]


MODES = [
    mode(Blueprint.MLP, Style.LINEAR_ADD, 0.7),
    mode(Blueprint.FLEX_ATTENTION, Style.LINEAR_MULTIPLY, 0.5),
    mode(Blueprint.LORA, Style.GATED_GATE, 1.0),
]


@pytest.mark.parametrize(("blueprint", "style"), list(product(Blueprint, Style)))
def test_gradients_equal_autograd(blueprint, style):
    """In a host with a blended, a training and a full seed every gradient is autograd's."""
    weights, into = random_weights(), random_weights()
    features, labels = batch()
    modes = [
        mode(blueprint, style, 0.7),
        mode(blueprint, style, 0.0, training=True),
        mode(blueprint, style, 1.0),
    ]
    host_network.gradients(features, labels, weights, modes, into)
    recorded = HostWeights(*(weight.clone().requires_grad_() for weight in weights))
    loss = cross_entropy(plain_logits(features, recorded, modes), labels, reduction="sum") / ROWS
    loss.backward()

    for ours, theirs in zip(into, recorded, strict=True):
        torch.testing.assert_close(ours, theirs.grad)


def test_counterfactual_equals_separate_passes():
    """Sharing prefixes gives what four separate forward passes give."""
    weights, (features, _) = random_weights(), batch()
    shared = host_network.counterfactual_logits(features, weights, MODES)
    separate = [plain_logits(features, weights, MODES)]
    separate += [plain_logits(features, weights, without(MODES, slot)) for slot in range(SLOTS)]

    assert shared.shape == (ENVIRONMENTS, 10, 1 + SLOTS, ROWS)
    torch.testing.assert_close(shared, torch.stack(separate, dim=2))
    assert (shared[:, :, 0] - shared[:, :, 1]).abs().max() > 0.01


def test_an_inactive_seed_does_not_change_a_bit():
    """With alpha 0, as in TRAINING, the host's output is that of a host without seeds."""
    weights, (features, _) = random_weights(), batch()
    empty = weights._replace(
        seed_inner=torch.zeros_like(weights.seed_inner),
        seed_outer=torch.zeros_like(weights.seed_outer),
    )
    modes = [mode(Blueprint.MLP, style, 0.0, training=True) for style in list(Style)[:SLOTS]]

    trained = host_network.counterfactual_logits(features, weights, modes)
    assert torch.equal(trained, host_network.counterfactual_logits(features, empty, modes))


def test_a_training_seed_learns_without_touching_the_host():
    """In TRAINING a seed has a gradient, and the gradient of the host is that without the seed."""
    weights, (features, labels) = random_weights(), batch()
    alone, beside = random_weights(), random_weights()
    dormant = mode(Blueprint.MLP, Style.LINEAR_ADD, 0.0)
    training = mode(Blueprint.MLP, Style.LINEAR_ADD, 0.0, training=True)
    host_network.gradients(features, labels, weights, [dormant] * SLOTS, alone)
    host_network.gradients(features, labels, weights, [dormant, training, dormant], beside)

    assert torch.equal(alone.block_in, beside.block_in)
    assert torch.equal(alone.block_out, beside.block_out)
    assert torch.equal(alone.readout, beside.readout)
    assert (beside.seed_outer[1].abs() > 0).any()
    assert (beside.seed_outer[0] == 0).all()


def test_environments_do_not_mix():
    """Changing one environment's weights changes that environment's scores alone."""
    weights, (features, _) = random_weights(), batch()
    before = host_network.counterfactual_logits(features, weights, MODES)
    weights.seed_outer[:, 2] += 1
    after = host_network.counterfactual_logits(features, weights, MODES)
    changed = (before != after).flatten(1).any(1)

    assert changed.tolist() == [False, False, True, False, False]
