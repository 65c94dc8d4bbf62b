"""Typed settings that describe themselves.

A field of a dataclass carries a `Setting` with its help text, its bounds and its choices. Validation,
command-line options and the check at resume are derived from it, so that each is written once:

    learning_rate: Annotated[float, Setting("learning rate of Adam", minimum=0, exclusive=True)] = 1e-3
"""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from esper_schemas.errors import InvalidArgument

SettingValue = str | int | float | bool | None

MAX_INTEGER = 2**31 - 1
"""The default upper bound of integers: the wire, files and tensors can all hold it."""

_SHOWN_CHARACTERS = 60
_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


@dataclass(frozen=True)
class Setting:
    """The accepted values of a field, and how it is presented.

    help: one phrase. group: the heading that it is listed under.
    option: the name of the command-line option, where it is not that of the field. metavar: the placeholder
    for its value.
    minimum, maximum: bounds, which are accepted themselves; `exclusive` excludes the minimum.
    choices: the accepted words. pattern: a regular expression for accepted words, and `form` in words.
    may_change_on_resume: whether a resumed run may have another value than it was started with.
    """

    help: str
    group: str = ""
    _: KW_ONLY
    option: str = ""
    metavar: str = ""
    minimum: float | None = None
    maximum: float | None = None
    exclusive: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    form: str = ""
    may_change_on_resume: bool = False


class SettingField(NamedTuple):
    """A field of a dataclass that carries a `Setting`; `kind` is its type, without None."""

    name: str
    kind: type
    setting: Setting
    default: Any

    def problem(self, value: object) -> str:
        """What is wrong with a value, such as `must be at least 1, not 0`; empty for an accepted one."""
        if value is None and self.default is None:
            return ""
        requirement = _requirement(self.kind, self.setting, value)
        return f"must be {requirement}, not {_shown(value)}" if requirement else ""

    def parse(self, text: str) -> Any:
        """The value that a text stands for. Raises `ValueError` with what is wrong."""
        try:
            value = self.kind(text)
        except ValueError:
            raise ValueError(f"must be {_KINDS[self.kind]}, not {_shown(text)}") from None
        if problem := self.problem(value):
            raise ValueError(problem)
        return value


@cache
def setting_fields(settings: type) -> Mapping[str, SettingField]:
    """The fields of a dataclass that carry a `Setting`, by name, in their order."""
    hints = get_type_hints(settings, include_extras=True)
    return {
        field.name: SettingField(field.name, _kind(hints[field.name]), setting, field.default)
        for field in fields(settings)
        for setting in getattr(hints[field.name], "__metadata__", ())
        if isinstance(setting, Setting)
    }


def validate(settings: Any) -> None:
    """Raise `InvalidArgument` for the first field whose value is not accepted."""
    for field in setting_fields(type(settings)).values():  # type: ignore[arg-type] # a class is hashable
        if problem := field.problem(getattr(settings, field.name)):
            raise InvalidArgument(f"{field.name} {problem}.")


def _kind(hint: Any) -> type:
    """The type behind `Annotated[type | None, ...]`."""
    bare = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    if get_origin(bare) in (Union, UnionType):
        bare = next(member for member in get_args(bare) if member is not NoneType)
    kind: type = get_origin(bare) or bare
    return kind


def _requirement(kind: type, setting: Setting, value: object) -> str:
    """What a value has to be, where it is not; empty where it is."""
    if not _is_a(kind, value):
        return _KINDS[kind]
    if isinstance(value, str):
        return _requirement_of_text(setting, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return _requirement_of_number(kind, setting, value)


def _is_a(kind: type, value: object) -> bool:
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return kind not in _KINDS or isinstance(value, kind)


def _requirement_of_text(setting: Setting, text: str) -> str:
    if setting.choices and text not in setting.choices:
        return "one of " + ", ".join(setting.choices)
    if setting.pattern and not re.fullmatch(setting.pattern, text):
        return setting.form
    return ""


def _requirement_of_number(kind: type, setting: Setting, value: float) -> str:
    low, high = setting.minimum, setting.maximum
    if kind is int and high is None:
        high = MAX_INTEGER
    if kind is float and not (_is_small(value) and math.isfinite(value)):
        return "a finite number"
    if low is not None and setting.exclusive and value <= low:
        return f"greater than {low}"
    if low is not None and value < low:
        return f"at least {low}"
    if high is not None and value > high:
        return f"at most {high}"
    return "" if kind is int or _fits_float32(value) else "within the range of a 32-bit float"


def _is_small(value: float) -> bool:
    """Whether a float can hold a number, which is an integer of any size where it comes from a caller."""
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _fits_float32(value: float) -> bool:
    """Whether a number becomes neither infinite nor, unless it is 0, zero in single precision."""
    try:
        (rounded,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return False
    return math.isfinite(rounded) and (rounded != 0) == (value != 0)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
