"""`esper diagnose PATH`: what is wrong with a recorded run, since when, why, and what to try."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from esper_aggregator.fold.projection import project
from esper_aggregator.fold.symptoms import Watchlist
from esper_aggregator.replay import fold_path
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import say_damage
from esper_schemas.codec import to_json
from esper_schemas.findings import Evidence, Finding
from esper_schemas.judgement import beyond_words
from esper_schemas.metrics.catalogue import QUANTITIES, MetricField
from esper_schemas.metrics.overrides import overridden
from esper_schemas.snapshot import SanctumSnapshot

SEVERITIES = ("warning", "critical")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `esper diagnose`."""
    parser.add_argument("path", type=Path, help="a run directory or an .mcap file")
    parser.add_argument("--thresholds", type=Path, metavar="FILE", help="a TOML file with bands of your own")
    parser.add_argument(
        "--fail-on",
        choices=SEVERITIES,
        help="exit with 1 if any finding is as bad",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; returns 1 if one is as bad as `--fail-on`."""
    quantities = _quantities(arguments.thresholds)
    say = say_damage("esper diagnose", arguments.path)
    snapshot = project(fold_path(arguments.path, watchlist=Watchlist(quantities), on_damage=say))
    updates = snapshot.tamiyo.ppo_updates_count
    if not updates:
        raise CommandError(f"{arguments.path} holds no PPO update; there is nothing to diagnose yet")
    if arguments.json:
        print(to_json({"findings": snapshot.findings, "run": snapshot.run.run, "updates": updates}, indent=2))
    else:
        beyond = beyond_words(snapshot.tamiyo, quantities)
        print(_report(snapshot, _signs(sys.stdout.encoding), beyond))
    bad = SEVERITIES[SEVERITIES.index(arguments.fail_on) :] if arguments.fail_on else ()
    return int(any(finding.severity in bad for finding in snapshot.findings))


def _quantities(path: Path | None) -> dict[str, MetricField]:
    """The catalogue's bands, or those of a file."""
    if path is None:
        return QUANTITIES
    try:
        return overridden(path.read_text(encoding="utf-8"), origin=str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CommandError(f"cannot read the thresholds {path}: {reason}; name a TOML file") from error


def _report(snapshot: SanctumSnapshot, signs: dict[str, str], beyond: str) -> str:
    """One block per finding, the worst first; without any, what is `beyond` its bounds after all."""
    name, updates = snapshot.run.run, snapshot.tamiyo.ppo_updates_count
    if not snapshot.findings:
        verdict = "no finding" if beyond else "nothing is wrong"
        now = f"; after the last, {beyond}" if beyond else ""
        return f"{name}: {verdict} in {_number(updates, 'update')}{now}"
    counted = [sum(f.severity == severity for f in snapshot.findings) for severity in SEVERITIES[::-1]]
    title = (
        f"{name}: {counted[0]} critical, {_number(counted[1], 'warning')} after {_number(updates, 'update')}"
    )
    return "\n\n".join([title, *(_block(finding, signs) for finding in snapshot.findings)])


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _block(finding: Finding, signs: dict[str, str]) -> str:
    head = f"{signs[finding.severity]} {finding.severity.upper()} since update {finding.since_update}"
    chain = f" {signs['then']} ".join(map(_link, finding.evidence))
    lines: Sequence[str] = (
        f"{head}: {finding.title}  [{finding.rule}]",
        f"  because  {chain}",
        *(f"  try      {advice}" for advice in finding.advice),
    )
    return "\n".join(lines)


def _link(link: Evidence) -> str:
    return f"{link.text} at {link.update}" + (f" ({link.later})" if link.later else "")


def _signs(encoding: str) -> dict[str, str]:
    """Glyphs, or plain characters where the output cannot show them."""
    glyphs = {"critical": "✖", "warning": "▲", "then": "→"}
    try:
        "".join(glyphs.values()).encode(encoding)
    except UnicodeEncodeError:
        return {"critical": "x", "warning": "!", "then": "->"}
    return glyphs
