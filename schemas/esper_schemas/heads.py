"""The eight action heads of Tamiyo: what each may choose, and when a choice matters.

Everything that depends on a head (tensor layouts, payload fields, panels, thresholds) is derived from
this file. The order of `HEADS` is the order everywhere.
"""

from enum import IntEnum
from math import log


class Op(IntEnum):
    """What to do with a slot. `WAIT` is the neutral choice."""

    WAIT = 0
    GERMINATE = 1
    SET_ALPHA_TARGET = 2
    PRUNE = 3
    FOSSILIZE = 4
    ADVANCE = 5


class Slot(IntEnum):
    """Which of the host's three slots the op is about."""

    R0C0 = 0
    R0C1 = 1
    R0C2 = 2


class Blueprint(IntEnum):
    """The structure of a new seed."""

    NOOP = 0
    CONV_LIGHT = 1
    ATTENTION = 2
    NORM = 3
    DEPTHWISE = 4
    BOTTLENECK = 5
    CONV_SMALL = 6
    CONV_HEAVY = 7
    LORA = 8
    LORA_LARGE = 9
    MLP_SMALL = 10
    MLP = 11
    FLEX_ATTENTION = 12


class Style(IntEnum):
    """How a seed's output is mixed into its host."""

    LINEAR_ADD = 0
    LINEAR_MULTIPLY = 1
    SIGMOID_ADD = 2
    GATED_GATE = 3


class Tempo(IntEnum):
    """How long blending takes: 3, 5 or 8 host epochs."""

    FAST = 0
    STANDARD = 1
    SLOW = 2


class AlphaTarget(IntEnum):
    """The blend weight to reach: 0.5, 0.7 or 1.0."""

    HALF = 0
    SEVENTY = 1
    FULL = 2


class AlphaSpeed(IntEnum):
    """How many steps a change of the blend weight takes: 0, 3, 5 or 8."""

    INSTANT = 0
    FAST = 1
    MEDIUM = 2
    SLOW = 3


class AlphaCurve(IntEnum):
    """The shape of the way there; the sigmoids have steepness 6, 12 and 24."""

    LINEAR = 0
    COSINE = 1
    SIGMOID_GENTLE = 2
    SIGMOID = 3
    SIGMOID_SHARP = 4


class Stage(IntEnum):
    """The life cycle of a seed in its slot."""

    DORMANT = 0
    GERMINATED = 1
    TRAINING = 2
    BLENDING = 3
    HOLDING = 4
    FOSSILIZED = 5
    EMBARGOED = 6


HEAD_ENUMS: dict[str, type[IntEnum]] = {
    "op": Op,
    "slot": Slot,
    "blueprint": Blueprint,
    "style": Style,
    "tempo": Tempo,
    "alpha_target": AlphaTarget,
    "alpha_speed": AlphaSpeed,
    "alpha_curve": AlphaCurve,
}
HEADS: tuple[str, ...] = tuple(HEAD_ENUMS)
HEAD_SIZES: dict[str, int] = {head: len(choices) for head, choices in HEAD_ENUMS.items()}
HEAD_MAX_ENTROPIES: dict[str, float] = {head: log(size) for head, size in HEAD_SIZES.items()}
"""The entropy, in nats, of a uniform choice: the denominator of every normalised head entropy."""

ENTROPY_COEFFICIENT_MULTIPLIERS: dict[str, float] = {
    "op": 1.0,
    "slot": 1.0,
    "blueprint": 1.3,
    "style": 1.2,
    "tempo": 1.3,
    "alpha_target": 1.2,
    "alpha_speed": 1.2,
    "alpha_curve": 1.2,
}
"""Heads that are relevant less often get a larger entropy bonus in training."""

CAUSAL: dict[Op, frozenset[str]] = {
    Op.WAIT: frozenset({"op"}),
    Op.GERMINATE: frozenset({"op", "slot", "blueprint", "style", "tempo", "alpha_target"}),
    Op.SET_ALPHA_TARGET: frozenset({"op", "slot", "style", "alpha_target", "alpha_speed", "alpha_curve"}),
    Op.PRUNE: frozenset({"op", "slot", "alpha_speed", "alpha_curve"}),
    Op.FOSSILIZE: frozenset({"op", "slot"}),
    Op.ADVANCE: frozenset({"op", "slot"}),
}
"""The heads that are relevant for each op: only their choices had an effect."""
