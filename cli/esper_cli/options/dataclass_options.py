"""Command-line options for the described fields of a dataclass, and the dataclass that they stand for."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields
from functools import partial
from typing import Any, NamedTuple, TypeVar, get_type_hints

from esper_cli.options.option import Option, SettingsOf
from esper_cli.output.echo import warn
from esper_schemas.settings import Setting, SettingField, setting_fields

T = TypeVar("T")


class _Argument(NamedTuple):
    """One argument: the field that it sets, and the name of the field that collects it, if any."""

    field: SettingField
    declared: Field[Any]
    collected_in: str = ""

    @property
    def name(self) -> str:
        """The name of the option, or of the positional argument."""
        setting, name = self.field.setting, self.field.name.replace("_", "-")
        if setting.option or _is_positional(setting):
            return setting.option or self.field.name
        return f"--no-{name}" if self.default is True else f"--{name}"

    @property
    def default(self) -> Any:
        """The default value; MISSING for a required argument."""
        factory = self.declared.default_factory
        return factory() if factory is not MISSING else self.declared.default


def add_options(parser: argparse.ArgumentParser, options: type) -> None:
    """Add an option for every described field of a dataclass, grouped as described."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    positionals = []
    for argument in _arguments(options):
        group = argument.field.setting.group
        if group and group not in groups:
            groups[group] = parser.add_argument_group(group)
        _add(groups.get(group, parser), argument)
        if _is_positional(argument.field.setting):
            shown = _placeholder(argument)
            positionals.append(shown if argument.default is MISSING else f"[{shown}]")
    parser.usage = " ".join(["%(prog)s [OPTIONS]", *positionals])


def parsed(options: type[T], namespace: argparse.Namespace) -> T:
    """The dataclass that the given arguments stand for; what is not given has the default of its field.

    Raises `InvalidArgument` where the dataclass does.
    """
    values: dict[str, Any] = {}
    for argument in _arguments(options):
        if argument.field.name in namespace:
            target = values.setdefault(argument.collected_in, {}) if argument.collected_in else values
            target[argument.field.name] = getattr(namespace, argument.field.name)
    return options(**values)


def command_line(given: Any, options: type | None = None) -> list[str]:
    """The arguments that stand for a dataclass, or for the fields that it inherits from `options`."""
    words, positionals = [], []
    for argument in _arguments(options or type(given)):
        value = _value(given, argument)
        if _is_positional(argument.field.setting):
            positionals += [] if value is None else [_text(value)]
        elif value is not None and (argument.collected_in or value != argument.default):
            words.append(argument.name if isinstance(value, bool) else f"{argument.name}={_text(value)}")
    return [*words, "--", *positionals] if positionals else words


def _value(given: Any, argument: _Argument) -> Any:
    """The value of an argument; None for a collected one that is not given."""
    name = argument.field.name
    if argument.collected_in:
        return getattr(given, argument.collected_in).get(name)
    return getattr(given, name)


def _arguments(options: type) -> Iterator[_Argument]:
    """Every argument of a dataclass, in the order of its fields."""
    described, hints = setting_fields(options), get_type_hints(options, include_extras=True)
    for declared in fields(options):
        if declared.name in described:
            yield _Argument(described[declared.name], declared)
            continue
        for mark in getattr(hints[declared.name], "__metadata__", ()):
            if isinstance(mark, SettingsOf):
                yield from _collected(mark, declared.name)


def _collected(mark: SettingsOf, name: str) -> Iterator[_Argument]:
    described = setting_fields(mark.settings)
    for declared in fields(mark.settings):
        if declared.name in (mark.only or described):
            yield _Argument(described[declared.name], declared, name)


def _add(parser: "argparse.ArgumentParser | argparse._ArgumentGroup", argument: _Argument) -> None:
    setting, default = argument.field.setting, argument.default
    shape = _shape(argument)
    if _is_positional(setting):
        shape |= {} if default is MISSING else {"nargs": "?", "default": default}
        parser.add_argument(argument.name, help=_help(argument), **shape)
        return
    shape |= {"dest": argument.field.name}
    parser.add_argument(argument.name, required=default is MISSING, help=_help(argument), **shape)
    if isinstance(setting, Option) and setting.deprecated:
        notice = partial(_DeprecatedOption, replacement=argument.name)
        parser.add_argument(setting.deprecated, help=argparse.SUPPRESS, **shape | {"action": notice})


def _shape(argument: _Argument) -> dict[str, Any]:
    """How many words an argument takes, and what becomes of them; what is not given has no value."""
    setting = argument.field.setting
    if argument.field.kind is bool:
        value = not argument.default
        return {"action": "store_const", "const": value, "default": argparse.SUPPRESS}
    shape = {
        "type": _converter(argument.field),
        "metavar": _placeholder(argument),
        "default": argparse.SUPPRESS,
    }
    if isinstance(setting, Option) and setting.const is not None:
        shape |= {"nargs": "?", "const": setting.const}
    return shape


def _converter(field: SettingField) -> Callable[[str], Any]:
    own = field.setting.parse if isinstance(field.setting, Option) else None

    def convert(text: str) -> Any:
        try:
            return own(text) if own else field.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _placeholder(argument: _Argument) -> str:
    setting = argument.field.setting
    if setting.metavar:
        return setting.metavar
    return "{" + ",".join(setting.choices) + "}" if setting.choices else "N"


def _help(argument: _Argument) -> str:
    default, text = argument.default, argument.field.setting.help
    if isinstance(default, str | int | float) and not isinstance(default, bool):
        text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
    return text.replace("%", "%%")


def _is_positional(setting: Setting) -> bool:
    return isinstance(setting, Option) and setting.positional


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


class _DeprecatedOption(argparse.Action):
    """Stores what the option that replaces it stores, after a notice."""

    def __init__(self, *, replacement: str, const: Any = None, nargs: Any = None, **options: Any) -> None:
        nargs = 0 if nargs is None and const is not None else nargs
        super().__init__(const=const, nargs=nargs, **options)
        self._replacement = replacement

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        name: str | None = None,
    ) -> None:
        """Store the value."""
        warn(parser.prog, f"{name} is deprecated; use {self._replacement} instead")
        setattr(namespace, self.dest, self.const if self.nargs == 0 else values)
