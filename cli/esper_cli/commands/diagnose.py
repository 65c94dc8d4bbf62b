"""`esper diagnose PATH`: what is wrong with a recorded run, since when, why, and what to try."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from esper_aggregator.fold.projection import project
from esper_cli.options.command import Command
from esper_cli.options.option import Json, Option, RecordedRun
from esper_cli.options.thresholds_option import THRESHOLDS, given_thresholds
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import damage_reporter
from esper_cli.output.diagnosis_text import answers_text, findings_text
from esper_cli.output.echo import echo, echo_json
from esper_cli.output.reading_progress import folded_run
from esper_schemas.rules.answers import answers
from esper_schemas.snapshot import SanctumSnapshot

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
    all: Annotated[bool, Option("print the answer of every rule, also of those that found nothing")] = False
    json: Json = False


def run(options: DiagnoseOptions) -> int:
    """Print the findings; returns 1 if one is as severe as `--fail-on`."""
    given = given_thresholds(options.thresholds, options.path)
    report = damage_reporter("esper diagnose", options.path)
    snapshot = project(folded_run("esper diagnose", options.path, report, given))
    if not snapshot.tamiyo.ppo_updates_count:
        raise CommandError(f"{options.path} has no PPO updates yet; there is nothing to diagnose")
    account = answers(snapshot) if options.all else []
    if options.json:
        echo_json(_as_json(snapshot) | ({"answers": account} if options.all else {}), indent=2)
    elif options.all:
        echo(*answers_text(snapshot, account, sys.stdout.encoding))
    else:
        echo(*findings_text(snapshot, sys.stdout.encoding))
    bad = SEVERITIES[SEVERITIES.index(options.fail_on) :] if options.fail_on else ()
    return int(any(finding.severity in bad for finding in snapshot.findings))


def _as_json(snapshot: SanctumSnapshot) -> dict[str, Any]:
    return {
        "findings": snapshot.findings,
        "run": snapshot.run.run,
        "updates": snapshot.tamiyo.ppo_updates_count,
        "verdict": snapshot.verdict,
        "outcome": snapshot.run.outcome,
    }


COMMAND = Command(DiagnoseOptions, run)
