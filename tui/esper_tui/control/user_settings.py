"""The user's settings and their file: theme, symbols, hidden panels.

The file is `$XDG_CONFIG_HOME/esper/sanctum.toml`. If it is damaged, the defaults apply and a
notification says so.
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
    """Choices that are kept from one start to the next."""

    theme: str = "dark"
    symbols: str = "block"
    hidden: frozenset[str] = field(default_factory=frozenset)


def settings_path() -> Path:
    """The path of the settings file."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "esper" / "sanctum.toml"


def load(path: Path) -> tuple[Settings, str]:
    """The settings in a file, and one sentence if the file exists but cannot be used."""
    try:
        return parsed(path.read_text(encoding="utf-8")), ""
    except FileNotFoundError:
        return Settings(), ""
    except (OSError, ValueError) as error:
        return Settings(), f"{path} is ignored ({error}); delete it, or change a setting to overwrite it."


def parsed(text: str) -> Settings:
    """The settings in a TOML document. Raises `ValueError` with one sentence if it is invalid."""
    document = tomllib.loads(text)
    theme, symbols = document.get("theme", "dark"), document.get("symbols", "block")
    _check("theme", theme, THEMES)
    _check("symbols", symbols, SYMBOL_SETS)
    hidden = document.get("hidden", [])
    if not isinstance(hidden, list) or not all(isinstance(name, str) for name in hidden):
        raise ValueError("hidden must be a list of panels")
    return Settings(theme, symbols, frozenset(hidden) & frozenset(NEEDS))


def serialized(settings: Settings) -> str:
    """The settings as a TOML document."""
    hidden = ", ".join(f'"{name}"' for name in sorted(settings.hidden))
    return f'theme = "{settings.theme}"\nsymbols = "{settings.symbols}"\nhidden = [{hidden}]\n'


def save(settings: Settings, path: Path) -> str:
    """Write the settings; returns one sentence if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(serialized(settings), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        return f"The setting cannot be saved ({error})."
    return ""


def _check(key: str, value: object, choices: Iterable[str]) -> None:
    if value not in tuple(choices):
        raise ValueError(f"{key} must be one of {', '.join(choices)}")
