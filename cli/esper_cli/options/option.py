"""Options that only command lines have, and those that several commands share."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from esper_schemas.settings import Setting


@dataclass(frozen=True, kw_only=True)
class Option(Setting):
    """A setting of a command line.

    positional: an argument without a name. const: the value of an option that is given without one.
    parse: converts a text; raises `ValueError` with what the text must be.
    deprecated: an older name of the option, which works and prints a notice.
    reads_input: whether `-` in place of a path reads standard input.
    """

    positional: bool = False
    const: Any = None
    parse: Callable[[str], Any] | None = None
    deprecated: str = ""
    reads_input: bool = False


@dataclass(frozen=True)
class SettingsOf:
    """Marks a field that takes those settings of another dataclass that are given, by their names.

    only: the names of the settings that become options; all of them by default.
    """

    settings: type
    only: tuple[str, ...] = ()


RunsDir = Annotated[
    Path, Option("directory of all runs (default: $ESPER_RUNS_DIR or runs)", "recording", metavar="DIR")
]
FirstUpdate = Annotated[
    int | None, Option("first update (default: the beginning)", option="--from", metavar="U", minimum=1)
]
LastUpdate = Annotated[
    int | None, Option("last update, included (default: the end)", option="--to", metavar="U", minimum=1)
]
RecordedRun = Annotated[
    Path,
    Option(
        "run directory or .mcap file; - reads a log from standard input",
        positional=True,
        metavar="PATH",
        reads_input=True,
    ),
]
ClientKey = Annotated[
    Path | None,
    Option(
        "client key file, required for an aggregator on another machine; create it there with "
        "`esper keys add` (default: $ESPER_KEYS)",
        "aggregator",
        metavar="FILE",
    ),
]
AGGREGATOR_URL = Option(
    "address of the aggregator, tcp://HOST:PORT or ipc:///DIRECTORY", "aggregator", metavar="URL"
)
Json = Annotated[bool, Option("print JSON")]
LogJson = Annotated[bool, Option("write log lines as JSON", "output")]


def default_client_key() -> Path | None:
    """The key file that `$ESPER_KEYS` names, None without one."""
    path = os.environ.get("ESPER_KEYS")
    return Path(path) if path else None
