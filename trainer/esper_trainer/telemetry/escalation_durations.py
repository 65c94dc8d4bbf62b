"""For how many updates each kind of anomaly raises the telemetry level, and how a user changes that.

Pure, and imports no torch.
"""

import difflib
from collections.abc import Mapping

from esper_schemas.errors import InvalidArgument
from esper_schemas.rules.rules import ESCALATION

EVERY_KIND = "all"
"""The name that stands for every kind in a user's text."""

PATTERN = r"([a-z_]+=\d{1,6}(,[a-z_]+=\d{1,6})*)?"
"""The form of a user's text."""


def escalation_updates(kind: str, overrides: Mapping[str, int]) -> int:
    """The number of updates at DEBUG after an anomaly of a kind; 0 if it does not raise the level."""
    return overrides.get(kind, overrides.get(EVERY_KIND, ESCALATION[kind]))


def parse_escalation(text: str) -> dict[str, int]:
    """Read a text such as `kl_spike=0,lstm_explosion=20`, which has the form of `PATTERN`; empty for none.

    `all` stands for every kind that is not named. Raises `InvalidArgument` for an unknown or repeated kind.
    """
    updates: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        kind, _, count = part.partition("=")
        if kind in updates:
            raise InvalidArgument(f"escalation has {kind} twice; give it once.")
        if kind != EVERY_KIND and kind not in ESCALATION:
            raise InvalidArgument(f"escalation has no kind of anomaly {kind}; {_suggestion(kind)}.")
        updates[kind] = int(count)
    return updates


def _suggestion(kind: str) -> str:
    kinds = [EVERY_KIND, *ESCALATION]
    close = difflib.get_close_matches(kind, kinds, n=1)
    return f"did you mean {close[0]}" if close else f"choose from {', '.join(kinds)}"
