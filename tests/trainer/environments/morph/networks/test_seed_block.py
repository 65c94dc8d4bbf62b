"""The residual block of a seed, against its formula and autograd."""

import pytest
import torch

from esper_trainer.environments.morph.networks.blueprints import GATE, HIDDEN, INNER_ROWS, SCORES
from esper_trainer.environments.morph.networks.digits import CHANNELS, FEATURES, TOKENS
from esper_trainer.environments.morph.networks.seed_block import (
    BlendWeights,
    SeedMode,
    SeedWeights,
    backward,
    blend_output,
    forward,
)

N, ROWS = 2, 5


def mode_of(*, additive=0.0, gated=0.0, multiplied=0.0, floor=0.0, attends=0.0, passing=1.0):
    """A mode that is equal in all environments, and whose weights learn as much as they are blended in."""
    numbers = (floor, attends, passing, additive, gated, multiplied)
    floor, attends, passing, *blend = (torch.full((N, 1, 1), value, dtype=torch.float64) for value in numbers)
    return SeedMode(floor, attends, passing, BlendWeights(*blend), BlendWeights(*blend))


MODES = {
    "additive": mode_of(additive=0.7),
    "linear": mode_of(additive=0.7, floor=-1e30),
    "gated": mode_of(gated=0.4),
    "multiplied": mode_of(multiplied=0.9),
    "attention": mode_of(additive=1.0, attends=1.0),
}


@pytest.fixture
def weights():
    """Random weights of the blocks in one slot."""
    generator = torch.Generator().manual_seed(0)
    inner = torch.randn(N, INNER_ROWS, FEATURES, generator=generator, dtype=torch.float64)
    outer = torch.randn(N, FEATURES, FEATURES, generator=generator, dtype=torch.float64)
    return SeedWeights(0.3 * inner, 0.3 * outer)


@pytest.fixture
def features():
    """Random features [N, 32, rows]."""
    return torch.randn(N, FEATURES, ROWS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_formula(features, weights, mode):
    """The formula of the module's docstring, for autograd."""
    inner = weights.inner @ features
    attention = torch.softmax(inner[:, SCORES], 1)
    tokens = features.view(N, TOKENS, CHANNELS, ROWS)
    context = (tokens * attention[:, :, None]).sum(1, keepdim=True).expand_as(tokens).reshape(features.shape)
    hidden = torch.maximum(inner[:, HIDDEN], mode.floor) + mode.attends * context
    output = weights.outer @ hidden
    blend = mode.blend
    added = (blend.additive + blend.gated * torch.sigmoid(inner[:, GATE])) * output
    return features + added + blend.multiplied * features * output.clamp(-1, 1)


@pytest.mark.parametrize("style", MODES)
def test_the_forward_pass_is_the_formula(style, weights, features):
    """This holds for every blending style, with and without rectification and attention."""
    blended = blend_output(forward(features.clone(), weights, MODES[style]))

    torch.testing.assert_close(blended, by_formula(features, weights, MODES[style]))


@pytest.mark.parametrize("style", MODES)
def test_the_backward_pass_is_that_of_autograd(style, weights, features):
    """The gradients of both matrices and of the features agree."""
    variables = [tensor.clone().requires_grad_() for tensor in (features, *weights)]
    blended = by_formula(variables[0], SeedWeights(*variables[1:]), MODES[style])
    gradient = torch.randn_like(features)
    expected = torch.autograd.grad(blended, variables, gradient)

    into = SeedWeights(*(torch.empty_like(tensor) for tensor in weights))
    activations = forward(features.clone(), weights, MODES[style])
    own = backward(gradient.clone(), activations, weights, MODES[style], into)

    for ours, theirs in zip((own, *into), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_block_that_does_not_pass_gradients_leaves_that_of_the_features(weights, features):
    """In TRAINING the host is trained as if the seed were not there."""
    mode = mode_of(additive=1.0, passing=0.0)
    gradient = torch.randn_like(features)
    into = SeedWeights(*(torch.empty_like(tensor) for tensor in weights))

    own = backward(gradient.clone(), forward(features.clone(), weights, mode), weights, mode, into)

    assert torch.equal(own, gradient)
    assert into.outer.any()


def test_with_weight_zero_the_features_are_bit_identical(weights, features):
    """The output of the block does not matter."""
    assert torch.equal(blend_output(forward(features.clone(), weights, mode_of())), features)


def test_the_output_can_be_blended_into_a_given_tensor(weights, features):
    """That tensor is returned."""
    into = torch.empty_like(features)
    activations = forward(features.clone(), weights, MODES["gated"])

    blended = blend_output(activations, into=into)

    assert blended.data_ptr() == into.data_ptr()
    assert torch.equal(blended, blend_output(activations))
