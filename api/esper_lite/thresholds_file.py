"""The thresholds of a run, as a user gives them: a TOML file, or its text."""

from collections.abc import Collection
from pathlib import Path

from esper_schemas.errors import InvalidArgument
from esper_schemas.rules.thresholds import MAX_LENGTH, read_thresholds

_MAX_BYTES = 4 * MAX_LENGTH


def thresholds_text(given: Path | str, heads: Collection[str] = ()) -> str:
    """Return the text of a file, or a text itself, which contains a "=", after it has been checked.

    `heads` are the names of the run's own heads. Raises `InvalidArgument` with the line of a mistake.
    """
    if isinstance(given, str) and ("=" in given or not given):
        read_thresholds(given, heads=heads)
        return given
    return thresholds_of_file(Path(given), heads)


def thresholds_of_file(path: Path, heads: Collection[str] = ()) -> str:
    """Return the checked text of a file. Raises `InvalidArgument` as `thresholds_text` does."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        if len(str(path)) > MAX_LENGTH or "\0" in str(path):
            reason = "it is not a path"
        raise InvalidArgument(f"Cannot read the thresholds {path}: {reason}; choose a TOML file.") from error
    read_thresholds(text, origin=str(path), heads=heads)
    return text
