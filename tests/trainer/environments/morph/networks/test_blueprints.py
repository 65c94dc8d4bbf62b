"""The structure masks of the thirteen blueprints."""

import pytest
import torch

from esper_schemas.heads import Blueprint
from esper_trainer.environments.morph.networks.blueprints import GATE, SCORES, build
from esper_trainer.environments.morph.networks.digits import FEATURES

TABLES = build(torch.device("cpu"))

# By hand: 8 tokens of 4 channels; a band of radius 1 links 22 pairs of tokens, of radius 2 34.
PARAMETERS = {
    Blueprint.NOOP: 0,
    Blueprint.CONV_LIGHT: 22 * 16 + 8 * 16,
    Blueprint.ATTENTION: 8 * 4 + 8 * 16,
    Blueprint.NORM: 32 + 32,
    Blueprint.DEPTHWISE: 22 * 4 + 8 * 16,
    Blueprint.BOTTLENECK: 4 * 32 * 2,
    Blueprint.CONV_SMALL: 22 * 16 + 32,
    Blueprint.CONV_HEAVY: 34 * 16 * 2,
    Blueprint.LORA: 2 * 32 * 2,
    Blueprint.LORA_LARGE: 8 * 32 * 2,
    Blueprint.MLP_SMALL: 8 * 32 * 2,
    Blueprint.MLP: 32 * 32 * 2,
    Blueprint.FLEX_ATTENTION: 8 * 16 + 32 * 32 + 8 * 32,
}


@pytest.mark.parametrize("blueprint", Blueprint)
def test_parameters_are_the_entries_that_exist(blueprint):
    """The parameter count of a blueprint is the number of entries of its masks."""
    assert TABLES.parameters[blueprint] == PARAMETERS[blueprint]


def test_no_two_blueprints_are_the_same_block():
    """Masks, rectification and attention distinguish all thirteen."""
    matrices = {
        (
            *TABLES.inner_mask[b].flatten().tolist(),
            *TABLES.outer_mask[b].flatten().tolist(),
            TABLES.floor[b].item(),
            TABLES.attends[b].item(),
        )
        for b in Blueprint
    }

    assert len(matrices) == len(Blueprint)


def test_only_existing_entries_are_drawn():
    """The initial scale is 0 outside the mask, and for scores and gate everywhere."""
    scale = TABLES.inner_scale

    assert (scale * (1 - TABLES.inner_mask) == 0).all()
    assert (scale[:, SCORES] == 0).all()
    assert (scale[:, GATE] == 0).all()
    assert scale[Blueprint.MLP, 0, 0] == pytest.approx((3 / FEATURES) ** 0.5)


def test_linear_blueprints_have_no_floor():
    """NORM and the LORA pair are linear; all others rectify."""
    linear = {Blueprint(i) for i in range(len(Blueprint)) if TABLES.floor[i] < 0}

    assert linear == {Blueprint.NORM, Blueprint.LORA, Blueprint.LORA_LARGE}
