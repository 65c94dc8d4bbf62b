"""`esper log info|verify|cat|repair|cut PATH`: what a recorded run contains, and copies of it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from esper_aggregator.excerpt import cut
from esper_bus.store.repair import repair
from esper_bus.store.run_reader import read_records
from esper_bus.store.verify import Verification, verify
from esper_cli.options.command import Command
from esper_cli.options.option import FirstUpdate, Json, LastUpdate, Option, RecordedRun
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import damage_reporter
from esper_cli.output.echo import echo, echo_json
from esper_cli.output.time_format import duration, utc_time
from esper_schemas import events
from esper_schemas.codec import kind_of
from esper_schemas.event_text import describe


@dataclass(frozen=True, kw_only=True)
class InfoOptions:
    """Show what a run contains: producers, kinds of events, first and last time."""

    path: RecordedRun
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Check every chunk and every sequence number; exit with 1 if anything is missing or damaged."""

    path: RecordedRun
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class CatOptions:
    """Print the events, one per line."""

    path: RecordedRun
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class RepairOptions:
    """Write everything that can be read into a clean copy; the original is not changed."""

    path: RecordedRun
    out: Annotated[Path, Option("path of the copy, which must not exist", positional=True, metavar="OUT")]
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class CutOptions:
    """Cut a range of updates out of a run; the excerpt is a run of its own, to send to a colleague.

    It opens, verifies and diagnoses like any other run, and says what it leaves out.
    """

    path: RecordedRun
    out: Annotated[
        Path,
        Option(
            "run directory or .mcap file of the excerpt, which must not exist", positional=True, metavar="OUT"
        ),
    ]
    first: FirstUpdate = None
    last: LastUpdate = None
    json: Json = False


def info(options: InfoOptions) -> int:
    """Print counts and times."""
    kinds: Counter[str] = Counter()
    producers: Counter[str] = Counter()
    times: list[int] = []
    excerpt = ""
    for record in read_records(options.path, damage_reporter("esper log", options.path)):
        kinds[kind_of(record.event)] += 1
        producers[record.producer] += 1
        excerpt = record.event.excerpt if isinstance(record.event, events.RunStarted) else excerpt
        if not isinstance(record.event, events.Annotated):  # a note may be written long after the training
            times = [times[0] if times else record.emitted_ns, record.emitted_ns]
    if not times:
        raise CommandError(
            f"{options.path} has no events yet; `esper log verify` checks whether it is damaged"
        )
    if options.json:
        ends = {"first_ns": times[0], "last_ns": times[-1]}
        echo_json({"producers": producers, "kinds": kinds, **ends, "excerpt": excerpt})
    else:
        _print_info(producers, kinds, times)
        echo(*(["", f"this is {excerpt}"] if excerpt else []))
    return 0


def _print_info(producers: Counter[str], kinds: Counter[str], times: list[int]) -> None:
    echo(f"{kinds.total():,} events from {utc_time(times[0])} to {utc_time(times[-1])}, {duration(*times)}")
    for title, counts in (("producer", producers), ("kind", kinds)):
        echo("", *(f"{title:<9} {name:<32} {count:>10,}" for name, count in counts.most_common()))


def check(options: VerifyOptions) -> int:
    """Print what is missing or damaged."""
    result = verify(options.path)
    if options.json:
        echo_json(result)
    else:
        echo(*_verdict(result))
    return 0 if result.ok else 1


def _verdict(result: Verification) -> list[str]:
    lines = [f"{'whole' if result.ok else 'NOT whole'}: {result.events:,} events"]
    lines += [
        f"  {p.producer} epoch {p.epoch:016x}: {p.events:,} events, {p.gaps} missing, {p.duplicates} repeated"
        for p in result.producers
    ]
    lines += [f"  damaged: {damage.file} at byte {damage.offset}: {damage.what}" for damage in result.damaged]
    if result.dropped or result.rejected:
        lines.append(f"  {result.dropped} dropped by trainers, {result.rejected} rejected as undecodable")
    return lines


def cat(options: CatOptions) -> int:
    """Print every event."""
    for record in read_records(options.path, damage_reporter("esper log", options.path)):
        if options.json:
            echo_json(record)
        else:
            kind, text = kind_of(record.event), describe(record.event)
            echo(f"{utc_time(record.emitted_ns)}  {record.producer}#{record.seq:<6} {kind:<20} {text}")
    return 0


def write_repaired(options: RepairOptions) -> int:
    """Write the copy and print how much it has."""
    events = repair(options.path, options.out)
    if options.json:
        echo_json({"events": events, "out": str(options.out)})
        return 0
    places = len(verify(options.path).damaged)
    echo(
        f"{events:,} events written to {options.out}; {places} damaged places in {options.path} were skipped"
    )
    return 0


def write_excerpt(options: CutOptions) -> int:
    """Write the excerpt and print what it has."""
    report = damage_reporter("esper log", options.path)
    excerpt = cut(options.path, options.out, options.first, options.last, report)
    if options.json:
        echo_json({"events": excerpt.events, "out": str(options.out), "excerpt": excerpt.text})
    else:
        echo(f"{excerpt.events:,} events written to {options.out}, {excerpt.text}")
    return 0


ACTIONS = {
    "info": Command(InfoOptions, info),
    "verify": Command(VerifyOptions, check),
    "cat": Command(CatOptions, cat),
    "repair": Command(RepairOptions, write_repaired),
    "cut": Command(CutOptions, write_excerpt),
}
