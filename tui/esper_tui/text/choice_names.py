"""The names of heads, stages and choices, in full and for narrow columns."""

from enum import IntEnum

from esper_schemas.declarations import HeadSpec
from esper_schemas.heads import HEAD_ENUMS
from esper_schemas.policy_heads import is_own
from esper_tui.text.numbers import count
from esper_tui.text.spans import clean


def head_label(head: str) -> str:
    """The name of a head as a column title."""
    return clean(head).replace("alpha_", "α ")


SHORT_NAMES: dict[str, tuple[str, ...]] = {
    "op": ("wait", "germ", "alpha", "prune", "fossl", "advan"),
    "blueprint": (
        *("noop", "conv-lt", "attent", "norm", "depthw", "bottln", "conv-sm", "conv-hv"),
        *("lora", "lora-lg", "mlp-sm", "mlp", "flex-at"),
    ),
    "style": ("lin-add", "lin-mul", "sig-add", "gated"),
    "tempo": ("fast", "std", "slow"),
    "alpha_target": ("0.5", "0.7", "1.0"),
    "alpha_speed": ("inst", "fast", "med", "slow"),
    "alpha_curve": ("lin", "cos", "sig-gtl", "sig", "sig-shp"),
}
"""Names for narrow columns, in the order of the enums; the choices of other heads have short names."""


def short_name(head: str, choice: int) -> str:
    """The name of a choice in at most seven characters."""
    names = SHORT_NAMES.get(head, ())
    return names[choice] if 0 <= choice < len(names) else enum_name(HEAD_ENUMS[head], choice).lower()


def choice_name(spec: HeadSpec, choice: int, room: int | None = None) -> str:
    """The name of a choice of any head, in its short form if the full one has no room; else its number."""
    if is_own(spec):
        named = 0 <= choice < len(spec.choices)
        return clean(spec.choices[choice]) if named else count(choice)
    full = enum_name(HEAD_ENUMS[spec.name], choice).lower()
    return full if room is None or len(full) <= room else short_name(spec.name, choice)


def enum_name(enum: type[IntEnum], index: int) -> str:
    """The name of a choice; "#7" for one that is unknown to this version."""
    return enum(index).name if 0 <= index < len(enum) else f"#{count(index)}"
