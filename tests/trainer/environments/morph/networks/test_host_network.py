"""The written-out passes of the hosts agree with plain formulas and with autograd."""

from itertools import product

import pytest
import torch
from torch.nn.functional import cross_entropy

from esper_schemas.heads import Blueprint, Style
from esper_trainer.environments.morph.networks import blueprints, host_network
from esper_trainer.environments.morph.networks.host_network import SLOTS, Weights
from esper_trainer.environments.morph.networks.seed_block import Blend, CellRole

CPU = torch.device("cpu")
TABLES = blueprints.build(CPU)
ENVIRONMENTS = 5
ROWS = 7
GENERATOR = torch.Generator().manual_seed(0)


def random_weights() -> Weights:
    """Weights without any structure, in double precision."""
    shapes = [weight.shape for weight in host_network.zeros(ENVIRONMENTS, CPU)]
    return Weights(*(0.3 * torch.randn(s, generator=GENERATOR, dtype=torch.float64) for s in shapes))


def role(blueprint: Blueprint, style: Style, alpha: float, *, training: bool = False) -> CellRole:
    """The role of one slot, the same in every environment."""
    shape = (ENVIRONMENTS, 1, 1)

    def full(number: float) -> torch.Tensor:
        return torch.full(shape, float(number), dtype=torch.float64)

    def blend(weight: float) -> Blend:
        return Blend(
            additive=full(weight * (style in (Style.LINEAR_ADD, Style.SIGMOID_ADD))),
            gated=full(weight * (style is Style.GATED_GATE)),
            multiplied=full(weight * (style is Style.LINEAR_MULTIPLY)),
        )

    return CellRole(
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


def plain_cell(x, weights: Weights, slot: int, r: CellRole, blend: Blend):
    """What the cell adds to x, straight from its definition."""
    inner = torch.einsum("noi,nir->nor", weights.cell_inner[slot], x)
    attention = torch.softmax(inner[:, 32:40], dim=1).repeat_interleave(4, dim=1)
    context = (x * attention).view(ENVIRONMENTS, 8, 4, -1).sum(1).repeat(1, 8, 1)
    hidden = torch.maximum(inner[:, :32], r.floor) + r.attends * context
    g = torch.einsum("noi,nir->nor", weights.cell_outer[slot], hidden)
    weight = blend.additive + blend.gated * torch.sigmoid(inner[:, 40:])
    return weight * g + blend.multiplied * x * g.clamp(-1, 1)


def plain_logits(features, weights: Weights, roles: list[CellRole]):
    """One forward pass for autograd to record; TRAINING is straight-through and isolated."""
    for slot, r in enumerate(roles):
        units = torch.relu(weights.block_in[slot] @ features)
        features = features + weights.block_out[slot] @ units
        added = plain_cell(features, weights, slot, r, r.blend)
        isolated = plain_cell(features.detach(), weights, slot, r, r.learning)
        features = features + torch.where(r.passing == 0, isolated - isolated.detach(), added)
    return weights.readout @ features


def without(roles: list[CellRole], slot: int) -> list[CellRole]:
    """The roles with one seed's output switched off."""
    off = roles[slot]._replace(blend=Blend(*(torch.zeros_like(part) for part in roles[slot].blend)))
    return [*roles[:slot], off, *roles[slot + 1 :]]


ROLES = [
    role(Blueprint.MLP, Style.LINEAR_ADD, 0.7),
    role(Blueprint.FLEX_ATTENTION, Style.LINEAR_MULTIPLY, 0.5),
    role(Blueprint.LORA, Style.GATED_GATE, 1.0),
]


@pytest.mark.parametrize(("blueprint", "style"), product(Blueprint, Style))
def test_gradients_equal_autograd(blueprint, style):
    """In a host with a blended, a training and a full seed every gradient is autograd's."""
    weights, into = random_weights(), random_weights()
    features, labels = batch()
    roles = [
        role(blueprint, style, 0.7),
        role(blueprint, style, 0.0, training=True),
        role(blueprint, style, 1.0),
    ]
    host_network.gradients(features, labels, weights, roles, into)
    recorded = Weights(*(weight.clone().requires_grad_() for weight in weights))
    loss = cross_entropy(plain_logits(features, recorded, roles), labels, reduction="sum") / ROWS
    loss.backward()

    for ours, theirs in zip(into, recorded, strict=True):
        torch.testing.assert_close(ours, theirs.grad)


def test_counterfactual_equals_separate_passes():
    """Sharing prefixes gives what four separate forward passes give."""
    weights, (features, _) = random_weights(), batch()
    shared = host_network.counterfactual_logits(features, weights, ROLES)
    separate = [plain_logits(features, weights, ROLES)]
    separate += [plain_logits(features, weights, without(ROLES, slot)) for slot in range(SLOTS)]

    assert shared.shape == (ENVIRONMENTS, 10, 1 + SLOTS, ROWS)
    torch.testing.assert_close(shared, torch.stack(separate, dim=2))
    assert (shared[:, :, 0] - shared[:, :, 1]).abs().max() > 0.01


def test_an_inactive_seed_does_not_change_a_bit():
    """With alpha 0, as in TRAINING, the host's output is that of a host without seeds."""
    weights, (features, _) = random_weights(), batch()
    empty = weights._replace(
        cell_inner=torch.zeros_like(weights.cell_inner),
        cell_outer=torch.zeros_like(weights.cell_outer),
    )
    roles = [role(Blueprint.MLP, style, 0.0, training=True) for style in list(Style)[:SLOTS]]

    trained = host_network.counterfactual_logits(features, weights, roles)
    assert torch.equal(trained, host_network.counterfactual_logits(features, empty, roles))


def test_a_training_seed_learns_without_touching_the_host():
    """In TRAINING a seed has a gradient, and the gradient of the host is as if it were not there."""
    weights, (features, labels) = random_weights(), batch()
    alone, beside = random_weights(), random_weights()
    dormant = role(Blueprint.MLP, Style.LINEAR_ADD, 0.0)
    training = role(Blueprint.MLP, Style.LINEAR_ADD, 0.0, training=True)
    host_network.gradients(features, labels, weights, [dormant] * SLOTS, alone)
    host_network.gradients(features, labels, weights, [dormant, training, dormant], beside)

    assert torch.equal(alone.block_in, beside.block_in)
    assert torch.equal(alone.block_out, beside.block_out)
    assert torch.equal(alone.readout, beside.readout)
    assert (beside.cell_outer[1].abs() > 0).any()
    assert (beside.cell_outer[0] == 0).all()


def test_environments_do_not_mix():
    """Changing one environment's weights changes that environment's scores alone."""
    weights, (features, _) = random_weights(), batch()
    before = host_network.counterfactual_logits(features, weights, ROLES)
    weights.cell_outer[:, 2] += 1
    after = host_network.counterfactual_logits(features, weights, ROLES)
    changed = (before != after).flatten(1).any(1)

    assert changed.tolist() == [False, False, True, False, False]
