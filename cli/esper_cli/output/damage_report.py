"""Reports of damaged files, whose intact parts are read all the same."""

from pathlib import Path

from esper_bus.store.run_reader import Damage, OnDamage
from esper_cli.output.echo import warn


def damage_reporter(command: str, path: Path) -> OnDamage:
    """A callback for reading `path` that reports each damaged file once, on stderr."""
    reported: set[str] = set()

    def report(damage: Damage) -> None:
        if damage.file not in reported:
            reported.add(damage.file)
            warn(command, _sentence(damage, path))

    return report


def _sentence(damage: Damage, path: Path) -> str:
    return (
        f"{damage.file} is damaged at byte {damage.offset} ({damage.what}) and was read up to there; "
        f"`esper log verify {path}` lists what is missing, `esper log repair {path} OUT` writes a clean copy"
    )
