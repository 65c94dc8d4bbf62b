"""What a person has chosen, kept in a file: theme, symbols, hidden panels.

The file is `$XDG_CONFIG_HOME/esper/sanctum.toml`. A damaged one means the defaults, and a word about it.
"""

import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from esper_tui.grid.grid_plans import NEEDS
from esper_tui.text.symbols import SYMBOL_SETS
from esper_tui.text.theme import THEMES


@dataclass(frozen=True, slots=True)
class Settings:
    """Choices that outlive the program."""

    theme: str = "dark"
    symbols: str = "block"
    hidden: frozenset[str] = field(default_factory=frozenset)


def settings_path() -> Path:
    """Where choices are kept."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "esper" / "sanctum.toml"


def load(path: Path) -> tuple[Settings, str]:
    """The choices in a file, and one sentence if it is there but cannot be used."""
    try:
        return parsed(path.read_text(encoding="utf-8")), ""
    except FileNotFoundError:
        return Settings(), ""
    except (OSError, ValueError) as error:
        return Settings(), f"{path} is not used ({error}); delete it or change a setting to replace it."


def parsed(text: str) -> Settings:
    """The choices that a text of TOML makes. Raises `ValueError` with what is wrong."""
    said = tomllib.loads(text)
    theme, symbols = said.get("theme", "dark"), said.get("symbols", "block")
    _check("theme", theme, THEMES)
    _check("symbols", symbols, SYMBOL_SETS)
    hidden = said.get("hidden", [])
    if not isinstance(hidden, list) or not all(isinstance(name, str) for name in hidden):
        raise ValueError("hidden must be a list of panels")
    return Settings(theme, symbols, frozenset(hidden) & frozenset(NEEDS))


def written(settings: Settings) -> str:
    """The choices as TOML."""
    hidden = ", ".join(f'"{name}"' for name in sorted(settings.hidden))
    return f'theme = "{settings.theme}"\nsymbols = "{settings.symbols}"\nhidden = [{hidden}]\n'


def save(settings: Settings, path: Path) -> str:
    """Write the choices; one sentence if that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(written(settings), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        return f"The choice cannot be kept ({error})."
    return ""


def _check(key: str, value: object, choices: Iterable[str]) -> None:
    if value not in tuple(choices):
        raise ValueError(f"{key} must be one of {', '.join(choices)}")
