"""`esper log info|verify|cat|repair PATH`: what a recorded run holds, whether it is whole, a clean copy."""

import argparse
from collections import Counter
from pathlib import Path

from esper_bus.store.repair import repair
from esper_bus.store.run_reader import read_records
from esper_bus.store.verify import Verification, verify
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import say_damage
from esper_cli.output.time_format import clock_time, span
from esper_schemas.codec import kind_of, to_json
from esper_schemas.event_text import describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `esper log`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, words in _ACTIONS.items():
        action = actions.add_parser(name, help=words, description=words)
        action.add_argument("path", type=Path, help="a run directory or an .mcap file")
        if name == "repair":
            action.add_argument("out", type=Path, help="where the copy goes; must not exist")
        action.add_argument("--json", action="store_true", help="print JSON")


_ACTIONS = {
    "info": "what a run holds: producers, kinds of events, times",
    "verify": "check every chunk and every sequence number; exit 1 if anything is missing or damaged",
    "cat": "print the events, one per line",
    "repair": "write all that can be read into a clean copy; the original is left as it is",
}


def run(arguments: argparse.Namespace) -> int:
    """Run the asked action."""
    return {"info": _info, "verify": _verify, "cat": _cat, "repair": _repair}[arguments.action](arguments)


def _info(arguments: argparse.Namespace) -> int:
    kinds: Counter[str] = Counter()
    producers: Counter[str] = Counter()
    times: list[int] = []
    for record in read_records(arguments.path, say_damage("esper log", arguments.path)):
        kinds[kind_of(record.event)] += 1
        producers[record.producer] += 1
        times = [times[0] if times else record.emitted_ns, record.emitted_ns]
    if not times:
        raise CommandError(
            f"{arguments.path} holds no events yet; `esper log verify` tells whether it is damaged"
        )
    if arguments.json:
        print(to_json({"producers": producers, "kinds": kinds, "first_ns": times[0], "last_ns": times[-1]}))
        return 0
    _print_info(producers, kinds, times)
    return 0


def _print_info(producers: Counter[str], kinds: Counter[str], times: list[int]) -> None:
    print(f"{kinds.total():,} events from {clock_time(times[0])} to {clock_time(times[-1])}, {span(*times)}")
    for title, counts in (("producer", producers), ("kind", kinds)):
        print()
        for name, count in counts.most_common():
            print(f"{title:<9} {name:<32} {count:>10,}")


def _verify(arguments: argparse.Namespace) -> int:
    result = verify(arguments.path)
    print(to_json(result) if arguments.json else _verdict(result))
    return 0 if result.ok else 1


def _repair(arguments: argparse.Namespace) -> int:
    events = repair(arguments.path, arguments.out)
    if arguments.json:
        print(to_json({"events": events, "out": str(arguments.out)}))
        return 0
    places = len(verify(arguments.path).damaged)
    print(f"{events:,} events written to {arguments.out}, past {places} damaged places in {arguments.path}")
    return 0


def _verdict(result: Verification) -> str:
    lines = [f"{'whole' if result.ok else 'NOT whole'}: {result.events:,} events"]
    lines += [
        f"  {p.producer} epoch {p.epoch:016x}: {p.events:,} events, {p.gaps} missing, {p.duplicates} repeated"
        for p in result.producers
    ]
    lines += [f"  damaged: {damage.file} at byte {damage.offset}: {damage.what}" for damage in result.damaged]
    if result.dropped or result.rejected:
        lines.append(f"  {result.dropped} dropped by trainers, {result.rejected} rejected as undecodable")
    return "\n".join(lines)


def _cat(arguments: argparse.Namespace) -> int:
    for record in read_records(arguments.path, say_damage("esper log", arguments.path)):
        if arguments.json:
            print(to_json(record))
        else:
            kind, words = kind_of(record.event), describe(record.event)
            print(f"{clock_time(record.emitted_ns)}  {record.producer}#{record.seq:<6} {kind:<20} {words}")
    return 0
