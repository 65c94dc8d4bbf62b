"""What a command says about damaged files, while what is whole in them is used."""

import sys
from pathlib import Path

from esper_bus.store.run_reader import Damage, OnDamage


def say_damage(command: str, path: Path) -> OnDamage:
    """For reading `path`: tells of each damaged file once, in one sentence on stderr."""
    told: set[str] = set()

    def say(damage: Damage) -> None:
        if damage.file not in told:
            told.add(damage.file)
            print(f"{command}: {_sentence(damage, path)}", file=sys.stderr)

    return say


def _sentence(damage: Damage, path: Path) -> str:
    return (
        f"{damage.file} is damaged at byte {damage.offset} ({damage.what}) and read only to there; "
        f"`esper log verify {path}` tells what is missing, `esper log repair {path} OUT` writes a clean copy"
    )
