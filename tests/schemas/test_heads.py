"""The action heads match the TELE records."""

import math

from esper_schemas.heads import (
    CAUSAL,
    ENTROPY_COEFFICIENT_MULTIPLIERS,
    HEAD_MAX_ENTROPIES,
    HEAD_SIZES,
    HEADS,
    Op,
)


def test_heads_have_one_order_and_the_recorded_sizes():
    """Eight heads, op first, sized 6 3 13 4 3 3 4 5 (TELE-170)."""
    assert HEADS == (
        "op",
        "slot",
        "blueprint",
        "style",
        "tempo",
        "alpha_target",
        "alpha_speed",
        "alpha_curve",
    )
    assert list(HEAD_SIZES.values()) == [6, 3, 13, 4, 3, 3, 4, 5]


def test_maximum_entropies_are_those_of_uniform_choices():
    """TELE-170 gives 1.79, 1.10, 2.56, 1.39, 1.10, 1.10, 1.39 and 1.61 nats."""
    rounded = [round(entropy, 2) for entropy in HEAD_MAX_ENTROPIES.values()]

    assert rounded == [1.79, 1.10, 2.56, 1.39, 1.10, 1.10, 1.39, 1.61]
    assert HEAD_MAX_ENTROPIES["op"] == math.log(6)


def test_the_op_head_is_always_relevant_and_wait_uses_no_other():
    """Every op is in the table."""
    assert set(CAUSAL) == set(Op)
    assert all("op" in heads for heads in CAUSAL.values())
    assert CAUSAL[Op.WAIT] == {"op"}


def test_every_head_is_relevant_to_some_op():
    """Otherwise a head would never be trained."""
    assert set().union(*CAUSAL.values()) == set(HEADS)


def test_entropy_coefficients_lie_between_1_and_1_3():
    """TELE-170: sparse heads get a larger entropy bonus, blueprint and tempo 1.3."""
    assert set(ENTROPY_COEFFICIENT_MULTIPLIERS) == set(HEADS)
    assert ENTROPY_COEFFICIENT_MULTIPLIERS["blueprint"] == ENTROPY_COEFFICIENT_MULTIPLIERS["tempo"] == 1.3
    assert set(ENTROPY_COEFFICIENT_MULTIPLIERS.values()) == {1.0, 1.2, 1.3}
