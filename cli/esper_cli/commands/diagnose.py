"""`esper diagnose PATH`: what is wrong with a recorded run, since when, why, and what to try."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from esper_aggregator.fold.projection import project
from esper_aggregator.replay import fold_path
from esper_cli.options.command import Command
from esper_cli.options.option import Json, Option, RecordedRun
from esper_cli.options.thresholds_option import THRESHOLDS, given_thresholds
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import damage_reporter
from esper_cli.output.echo import echo, echo_json
from esper_schemas.findings import Evidence, Finding
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.verdict import verdict_text

SEVERITIES = ("warning", "critical")


@dataclass(frozen=True, kw_only=True)
class DiagnoseOptions:
    """Report what is wrong with a recorded run: in which head, since which update, why, and what to try."""

    path: RecordedRun
    thresholds: Annotated[Path | None, THRESHOLDS] = None
    fail_on: Annotated[
        str | None,
        Option("exit with 1 if any finding is at least this severe", choices=SEVERITIES),
    ] = None
    json: Json = False


def run(options: DiagnoseOptions) -> int:
    """Print the findings; returns 1 if one is as severe as `--fail-on`."""
    given = given_thresholds(options.thresholds, options.path)
    report = damage_reporter("esper diagnose", options.path)
    snapshot = project(fold_path(options.path, given=given, on_damage=report))
    updates = snapshot.tamiyo.ppo_updates_count
    if not updates:
        raise CommandError(f"{options.path} has no PPO updates yet; there is nothing to diagnose")
    if options.json:
        found = {"findings": snapshot.findings, "run": snapshot.run.run, "updates": updates}
        echo_json(found | {"verdict": snapshot.verdict}, indent=2)
    else:
        echo(*_report(snapshot, _signs(sys.stdout.encoding)))
    bad = SEVERITIES[SEVERITIES.index(options.fail_on) :] if options.fail_on else ()
    return int(any(finding.severity in bad for finding in snapshot.findings))


def _report(snapshot: SanctumSnapshot, signs: dict[str, str]) -> list[str]:
    """The verdict, then a block for each finding, the most severe first."""
    updates = _number(snapshot.tamiyo.ppo_updates_count, "update")
    verdict = f"{snapshot.run.run}: {verdict_text(snapshot.verdict)}"
    if not snapshot.findings:
        return [f"{verdict}, no finding in {updates}"]
    title = f"{verdict}; {_counts(snapshot.findings)} after {updates}"
    return [title, *(line for finding in snapshot.findings for line in _block(finding, signs))]


def _counts(findings: Iterable[Finding]) -> str:
    """How many findings there are of each severity; notices only if there are any."""
    counts = Counter(finding.severity for finding in findings)
    notices = f", {_number(counts['notice'], 'notice')}" if counts["notice"] else ""
    return f"{counts['critical']} critical, {_number(counts['warning'], 'warning')}{notices}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _block(finding: Finding, signs: dict[str, str]) -> list[str]:
    head = f"{signs[finding.severity]} {finding.severity.upper()} since update {finding.since_update}"
    chain = f" {signs['then']} ".join(map(_link, finding.evidence))
    return [
        "",
        f"{head}: {finding.title}  [{finding.rule}]",
        f"  because  {chain}",
        *(f"  try      {advice}" for advice in finding.advice),
    ]


def _link(link: Evidence) -> str:
    return f"{link.text} at {link.update}" + (f" ({link.later})" if link.later else "")


def _signs(encoding: str) -> dict[str, str]:
    """Glyphs, or plain characters where the output cannot show them."""
    glyphs = {"critical": "✖", "warning": "▲", "notice": "·", "then": "→"}
    try:
        "".join(glyphs.values()).encode(encoding)
    except UnicodeEncodeError:
        return {"critical": "x", "warning": "!", "notice": "-", "then": "->"}
    return glyphs


COMMAND = Command(DiagnoseOptions, run)
