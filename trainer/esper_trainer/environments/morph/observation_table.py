"""What each of the 116 numbers of an observation is: 23 about the host, then 31 about each slot.

The one list of them; the page docs/reference/observation.md is made from it. Imports no torch.
"""

from collections.abc import Iterator
from typing import NamedTuple

from esper_schemas.heads import Op, Slot, Stage

HISTORY = 5
"""How many past losses and accuracies are kept."""
VANISHING_NORM = 1e-4
"""The norm of a seed's averaged gradient below which it vanishes."""
EXPLODING_NORM = 10.0
"""The norm from which on it explodes; that of a healthy seed is below 1."""


class Number(NamedTuple):
    """One number of an observation: its name, what it is, and its range."""

    name: str
    meaning: str
    range: str


_SHARE, _FLAG = "0 to 1", "0 or 1"


def _host() -> Iterator[Number]:
    yield Number("progress", "share of the episode that has passed", _SHARE)
    yield Number("loss", "validation loss in nats, symlog", "0 to 4.62")
    yield Number("accuracy", "validation accuracy", _SHARE)
    for age in reversed(range(HISTORY)):
        yield Number(
            f"loss_{age}_ago",
            f"validation loss {_ago(age)}, symlog; -1 before there was one",
            "-1, 0 to 4.62",
        )
    for age in reversed(range(HISTORY)):
        yield Number(
            f"accuracy_{age}_ago", f"validation accuracy {_ago(age)}; -1 before there was one", "-1, 0 to 1"
        )
    for stage in (Stage.TRAINING, Stage.BLENDING, Stage.HOLDING):
        yield Number(f"share_{stage.name.lower()}", f"share of the slots in {stage.name}", _SHARE)
    yield Number("last_legal", "1 if the last choice was legal", _FLAG)
    for op in Op:
        yield Number(f"last_{op.name.lower()}", f"1 if the last op that took effect was {op.name}", _FLAG)


def _slot() -> Iterator[Number]:
    yield Number("active", "1 if a seed lives here", _FLAG)
    for stage in Stage:
        yield Number(f"stage_{stage.name.lower()}", f"1 in {stage.name}", _FLAG)
    yield Number("size", "log1p of the seed's parameters over the host's", "0 and more")
    yield Number("rectified", "1 if its hidden units are rectified", _FLAG)
    yield Number("attends", "1 if it attends over tokens", _FLAG)
    yield Number("alpha", "weight with which it is blended in", _SHARE)
    yield Number("contribution", "accuracy minus the accuracy without it", "-1 to 1")
    yield Number("contribution_change", "change of that since the last step", "-2 to 2")
    yield Number("tempo", "length of its first blend, share of the longest move", _SHARE)
    yield Number("alpha_target", "target of the move under way, or of the last one", _SHARE)
    yield Number("alpha_mode", "direction of the move: down, holds, up", "-1, 0, 1")
    yield Number("move_length", "length of the move, share of the longest", _SHARE)
    yield Number("move_done", "steps of it that are done, share of the longest", _SHARE)
    yield Number("move_left", "steps of it that are left, share of the longest", _SHARE)
    yield Number("alpha_change", "change of alpha since the last step", "-1 to 1")
    yield Number("style_multiply", "1 if it is blended in by LINEAR_MULTIPLY", _FLAG)
    yield Number("style_sigmoid", "1 if it is blended in by SIGMOID_ADD", _FLAG)
    yield Number("style_gated", "1 if it is blended in by GATED_GATE; none of the three: LINEAR_ADD", _FLAG)
    yield Number("gradient_norm", "norm of its averaged gradient, symlog", "0 and more")
    yield Number("gradient_healthy", "1 if that neither vanishes nor explodes", _FLAG)
    yield Number("gradient_vanishes", f"1 if it learns and that is below {VANISHING_NORM:g}", _FLAG)
    yield Number("gradient_explodes", f"1 if that is above {EXPLODING_NORM:g}", _FLAG)
    yield Number("stage_age", "steps in this stage, share of the horizon", _SHARE)
    yield Number("average_contribution", "running average of the contribution", "-1 to 1")
    yield Number("age", "steps since germination, share of the horizon", _SHARE)


def _ago(age: int) -> str:
    return "now" if age == 0 else "one step ago" if age == 1 else f"{age} steps ago"


HOST: tuple[Number, ...] = tuple(_host())
SLOT: tuple[Number, ...] = tuple(_slot())
"""Of a slot; all but the stage are 0 where no seed lives."""

NUMBERS: tuple[Number, ...] = (
    *HOST,
    *(number._replace(name=f"{slot.name.lower()}.{number.name}") for slot in Slot for number in SLOT),
)
"""All of them, in order."""
