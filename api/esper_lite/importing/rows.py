"""What the readers of log files yield, and what they count instead of failing."""

from collections import Counter
from typing import NamedTuple

ConfigValue = str | int | float | bool | None
"""A setting of the training, as `RunStarted.config` holds it."""

MAX_NAME = 500
"""Characters of the name of a value; a longer one is cut."""
MAX_CONFIG = 1000
"""Settings of a training that are kept."""
_MAX_TEXT = 500
_EXAMPLES = 3


class Row(NamedTuple):
    """Values that were logged together, with their time in nanoseconds since 1970 and their step."""

    time_ns: int | None
    step: int | None
    values: dict[str, float]


class NotRead:
    """Counts what was not understood, by kind, with the first examples of each kind.

    A kind is a plural noun, such as "records with a wrong checksum".
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, example: str = "", count: int = 1) -> None:
        """Count things of one kind."""
        self._counts[kind] += count
        examples = self._examples.setdefault(kind, [])
        if example and example not in examples and len(examples) <= _EXAMPLES:
            examples.append(example[:MAX_NAME])

    def copy(self) -> "NotRead":
        """Return the counts of now, which `restore` takes."""
        copied = NotRead()
        copied.restore(self)
        return copied

    def restore(self, before: "NotRead") -> None:
        """Forget what was counted since a copy was made: it is read again."""
        self._counts = before._counts.copy()
        self._examples = {kind: list(examples) for kind, examples in before._examples.items()}

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __getitem__(self, kind: str) -> int:
        return self._counts[kind]

    def lines(self) -> list[str]:
        """One line per kind, the most frequent first: `cells that are not numbers (host, note): 3`."""
        return [f"{kind}{self._in_brackets(kind)}: {count:,}" for kind, count in self._counts.most_common()]

    def _in_brackets(self, kind: str) -> str:
        examples = self._examples[kind]
        if not examples:
            return ""
        more = ", …" if len(examples) > _EXAMPLES else ""
        return f" ({', '.join(examples[:_EXAMPLES])}{more})"


class Facts:
    """What a log says about its training besides values: the configuration."""

    def __init__(self) -> None:
        self.config: dict[str, ConfigValue] = {}

    def add(self, name: str, value: object) -> None:
        """Keep a setting; what is neither a number nor a text is kept as text."""
        name = clean_name(name)
        if len(self.config) < MAX_CONFIG or name in self.config:
            self.config[name] = _setting(value)


def clean_name(name: str) -> str:
    """Return a name that every reader can decode, at most 500 characters long."""
    return name[:MAX_NAME] if name.isascii() else name[:MAX_NAME].encode(errors="replace").decode()


def _setting(value: object) -> ConfigValue:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    return str(value)[:_MAX_TEXT].encode(errors="replace").decode()
