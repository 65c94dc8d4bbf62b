"""`sanctum`: the cockpit. Watches the local aggregator, a remote one, or a recorded run."""

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from esper_bus import addresses, paths
from esper_bus.auth.keys import client_keys_for
from esper_bus.net.discovery import local_runs_dirs
from esper_cli.output.command_failure import CommandError, OneSentenceParser, run_command
from esper_cli.output.damage_report import say_damage
from esper_cli.screen import browser_server
from esper_cli.screen.sanctum_app import SSH_RATE, choices, cockpit
from esper_schemas.codec import to_json
from esper_schemas.source import Feed, SnapshotSource

FIRST_SNAPSHOT_TIMEOUT_S = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sanctum` with the given arguments, the process's own by default; returns the exit code."""
    parser = OneSentenceParser(prog="sanctum", description=__doc__)
    parser.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="tcp://host:port, or a run directory or log file to replay; default: the local aggregator",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        default=addresses.default_keys(),
        help="your key, made by `esper keys add` where the aggregator runs (needed beyond this machine)",
    )
    parser.add_argument(
        "--thin",
        action="store_true",
        default=None,
        help="compressed pictures, for slow links (default beyond this machine)",
    )
    parser.add_argument("--once", action="store_true", help="print one frame and exit")
    parser.add_argument("--json", action="store_true", help="print the snapshot as JSON and exit")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    parser.add_argument(
        "--color",
        choices=["auto", "truecolor", "256", "standard"],
        default="auto",
        help="how many colours to use (NO_COLOR is respected)",
    )
    _add_look(parser)
    browser_server.add_arguments(parser)
    return run_command("sanctum", _run, parser.parse_args(argv))


def _add_look(parser: argparse.ArgumentParser) -> None:
    """What is said here goes for this once; the keys in Sanctum change what is kept."""
    from esper_tui.text.symbols import SYMBOL_SETS

    parser.add_argument(
        "--symbols", choices=SYMBOL_SETS, help="characters to draw with; default: the last choice"
    )
    parser.add_argument("--theme", choices=["dark", "light", "ansi"], help="default: the last choice")
    parser.add_argument(
        "--rate",
        type=_rate,
        metavar="HZ",
        help=f"pictures per second, 1 to 20; default: 20, or {SSH_RATE:g} over ssh",
    )


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise argparse.ArgumentTypeError(f"{word!r} is no rate; give pictures per second, 1 to 20")
    return rate


def _run(arguments: argparse.Namespace) -> int:
    if arguments.serve is not None:
        _open(arguments).close()  # Whoever serves learns at once that there is nothing to serve.
        return browser_server.run(arguments)
    if not (arguments.once or arguments.json or sys.stdout.isatty() or browser_server.is_served()):
        raise CommandError("there is no terminal to draw on; `sanctum --once` prints one frame")
    if os.environ.get("TERM") == "dumb" and not (
        arguments.once or arguments.json or browser_server.is_served()
    ):
        raise CommandError("this terminal (TERM=dumb) cannot be drawn on; `sanctum --once` prints one frame")
    if arguments.color != "auto":
        os.environ["TEXTUAL_COLOR_SYSTEM"] = arguments.color
    source = _open(arguments)
    try:
        return _show(arguments, source)
    finally:
        source.close()


def _open(arguments: argparse.Namespace) -> SnapshotSource:
    return source_for(arguments.target, arguments.keys, thin=arguments.thin)


def _show(arguments: argparse.Namespace, source: SnapshotSource) -> int:
    if arguments.json:
        print(to_json(_first_feed(source).snapshot, indent=2))
    elif arguments.once:
        _print_frame(_first_feed(source), arguments)
    else:
        app = cockpit(source, theme=arguments.theme, symbols=arguments.symbols, rate=arguments.rate)
        app.run(mouse=not arguments.no_mouse)
    return 0


def _print_frame(feed: Feed, arguments: argparse.Namespace) -> None:
    from esper_tui.terminal.print_frame import print_frame
    from esper_tui.view.view import ViewOptions

    settings, _ = choices(arguments.theme, arguments.symbols)
    width = shutil.get_terminal_size(fallback=(100, 24)).columns
    theme = _printed_theme(settings.theme, arguments.color)
    options = ViewOptions(symbols=settings.symbols)  # hidden panels too: whoever reads it has not hidden them
    print_frame(feed, sys.stdout, now_ns=time.time_ns(), width=width, theme=theme, options=options)


def _printed_theme(chosen: str, color: str) -> str | None:
    """The theme that this terminal can show, by the same rules as in the cockpit; none without colours."""
    from rich.console import Console

    from esper_tui.text.theme import theme_for

    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return None
    color_system = Console(file=sys.stdout, color_system=color).color_system  # type: ignore[arg-type]
    return theme_for(color_system, chosen) if color_system else None


def source_for(
    target: str | None, key_file: Path | None = None, *, thin: bool | None = None
) -> SnapshotSource:
    """Open what the user wants to look at."""
    if target is not None and "://" not in target:
        from esper_aggregator.replay import LogSource

        return LogSource(Path(target), say_damage("sanctum", Path(target)))
    from esper_bus.net.snapshot_source import SocketSource

    if target is not None:
        endpoints = addresses.parse(target, keyed=key_file is not None)
        keys = client_keys_for(endpoints.ingest, key_file)
        return SocketSource(lambda: endpoints, keys=keys, thin=thin)
    return SocketSource(local_endpoints, thin=thin)


def local_endpoints() -> addresses.Endpoints:
    """The aggregator of this directory's runs, or else the newest one that this user runs."""
    here = paths.default_runs_dir()
    alive = local_runs_dirs()
    if alive and here.resolve() not in alive:
        here = alive[0]
    return addresses.for_runs_dir(here)


def _first_feed(source: SnapshotSource) -> Feed:
    deadline = time.monotonic() + FIRST_SNAPSHOT_TIMEOUT_S
    while time.monotonic() < deadline:
        feed = source.poll()
        if feed.problem:
            raise CommandError(feed.problem)
        if feed.snapshot.events_folded:
            return feed
        time.sleep(0.02)
    raise CommandError(
        "nothing was received; start `esper ppo` first, or name a run directory: `sanctum runs/NAME`"
    )


if __name__ == "__main__":
    sys.exit(main())
