"""The 116 features of an observation: 23 of the host, then 31 of each slot.

This is the only list of them; docs/reference/observation.md is generated from it. Imports no torch.
"""

from collections.abc import Iterator
from typing import NamedTuple

from esper_schemas.heads import Op, Slot, Stage

HISTORY = 5
"""Number of losses and accuracies that are kept, including the present one."""
VANISHING_NORM = 1e-4
"""A seed's averaged gradient vanishes if its norm is below this."""
EXPLODING_NORM = 10.0
"""A seed's averaged gradient explodes if its norm is above this; that of a healthy seed is below 1."""


class ObservationFeature(NamedTuple):
    """One feature of an observation: its name, meaning and range."""

    name: str
    meaning: str
    range: str


_SHARE, _FLAG = "0 to 1", "0 or 1"


def _host() -> Iterator[ObservationFeature]:
    yield ObservationFeature("progress", "share of the episode that has passed", _SHARE)
    yield ObservationFeature("loss", "validation loss in nats, symlog", "0 to 4.62")
    yield ObservationFeature("accuracy", "validation accuracy", _SHARE)
    for age in reversed(range(HISTORY)):
        yield ObservationFeature(
            f"loss_{age}_ago",
            f"validation loss {_ago(age)}, symlog; -1 before there was one",
            "-1, 0 to 4.62",
        )
    for age in reversed(range(HISTORY)):
        yield ObservationFeature(
            f"accuracy_{age}_ago", f"validation accuracy {_ago(age)}; -1 before there was one", "-1, 0 to 1"
        )
    for stage in (Stage.TRAINING, Stage.BLENDING, Stage.HOLDING):
        yield ObservationFeature(f"share_{stage.name.lower()}", f"share of the slots in {stage.name}", _SHARE)
    yield ObservationFeature("last_legal", "1 if the last choice was legal", _FLAG)
    for op in Op:
        yield ObservationFeature(
            f"last_{op.name.lower()}", f"1 if the last op that took effect was {op.name}", _FLAG
        )


def _slot() -> Iterator[ObservationFeature]:
    yield ObservationFeature("active", "1 if a seed lives here", _FLAG)
    for stage in Stage:
        yield ObservationFeature(f"stage_{stage.name.lower()}", f"1 in {stage.name}", _FLAG)
    yield ObservationFeature("size", "log1p of the seed's parameters over the host's", "0 and more")
    yield ObservationFeature("rectified", "1 if its hidden units are rectified", _FLAG)
    yield ObservationFeature("attends", "1 if it attends over tokens", _FLAG)
    yield ObservationFeature("alpha", "weight with which it is blended in", _SHARE)
    yield ObservationFeature("contribution", "accuracy minus the accuracy without it", "-1 to 1")
    yield ObservationFeature("contribution_change", "change of that since the last step", "-2 to 2")
    yield ObservationFeature("tempo", "length of its first blend, share of the longest move", _SHARE)
    yield ObservationFeature("alpha_target", "target of the move under way, or of the last one", _SHARE)
    yield ObservationFeature("alpha_mode", "direction of the move: down, holds, up", "-1, 0, 1")
    yield ObservationFeature("move_length", "length of the move, share of the longest", _SHARE)
    yield ObservationFeature("move_done", "steps of it that are done, share of the longest", _SHARE)
    yield ObservationFeature("move_left", "steps of it that are left, share of the longest", _SHARE)
    yield ObservationFeature("alpha_change", "change of alpha since the last step", "-1 to 1")
    yield ObservationFeature("style_multiply", "1 if it is blended in by LINEAR_MULTIPLY", _FLAG)
    yield ObservationFeature("style_sigmoid", "1 if it is blended in by SIGMOID_ADD", _FLAG)
    yield ObservationFeature(
        "style_gated", "1 if it is blended in by GATED_GATE; none of the three: LINEAR_ADD", _FLAG
    )
    yield ObservationFeature("gradient_norm", "norm of its averaged gradient, symlog", "0 and more")
    yield ObservationFeature("gradient_healthy", "1 if that neither vanishes nor explodes", _FLAG)
    yield ObservationFeature(
        "gradient_vanishes", f"1 if it learns and that is below {VANISHING_NORM:g}", _FLAG
    )
    yield ObservationFeature("gradient_explodes", f"1 if that is above {EXPLODING_NORM:g}", _FLAG)
    yield ObservationFeature("stage_age", "steps in this stage, share of the horizon", _SHARE)
    yield ObservationFeature("average_contribution", "running average of the contribution", "-1 to 1")
    yield ObservationFeature("age", "steps since germination, share of the horizon", _SHARE)


def _ago(age: int) -> str:
    return "now" if age == 0 else "one step ago" if age == 1 else f"{age} steps ago"


HOST: tuple[ObservationFeature, ...] = tuple(_host())
SLOT: tuple[ObservationFeature, ...] = tuple(_slot())
"""The features of a slot; all but the stage are 0 in an empty slot."""

OBSERVATION_FEATURES: tuple[ObservationFeature, ...] = (
    *HOST,
    *(number._replace(name=f"{slot.name.lower()}.{number.name}") for slot in Slot for number in SLOT),
)
"""All features, in order."""
