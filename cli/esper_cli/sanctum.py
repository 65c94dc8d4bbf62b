"""`sanctum`: the screen. Watches the local aggregator, a remote one, or a recorded run."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from esper_bus.addresses import runtime_dir
from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.command import Command, run_command_line
from esper_cli.options.dataclass_options import command_line
from esper_cli.options.option import ClientKey, Json, Option, default_client_key
from esper_cli.options.standard_input import DASH, copied_input, followed_input
from esper_cli.options.thresholds_option import THRESHOLDS, given_thresholds
from esper_cli.output.command_failure import CommandError
from esper_cli.output.echo import echo_json
from esper_cli.screen.browser_server import TOKEN_VARIABLE, serve_screen
from esper_cli.screen.history_selection import history_opener, snapshot_at
from esper_cli.screen.note_writer import note_writer
from esper_cli.screen.sanctum_app import SSH_RATE, effective_settings, is_served, sanctum_app
from esper_cli.screen.source_selection import first_feed, is_recorded, open_source, read_whole
from esper_schemas.errors import InvalidArgument
from esper_schemas.history import History
from esper_schemas.moment_text import HELP
from esper_schemas.notes import NoteWriter
from esper_schemas.source import Feed, SnapshotSource
from esper_tui.past.past import Past, past_of
from esper_tui.text.symbols import SYMBOL_SETS

DEFAULT_PORT = 8000
DEFAULT_HOST = "127.0.0.1"
_CONNECTION, _APPEARANCE, _BROWSER = "aggregator", "appearance", "in a browser"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 16):
        raise ValueError(f"must be a port number, not {text!r}; name the target before --serve")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class SanctumOptions:
    """Watch a training: of this machine by default, of another one, or a recorded run.

    The options of appearance apply to this start only; keys in Sanctum change the saved settings.
    """

    target: Annotated[
        str | None,
        Option(
            "tcp://HOST:PORT, run directory, .mcap file, or - for stdin (default: the local aggregator)",
            positional=True,
            metavar="TARGET",
        ),
    ] = None
    run: Annotated[
        str | None,
        Option("run of the aggregator to show (default: the newest at the start)", metavar="NAME"),
    ] = None
    runs_dir: Annotated[
        Path | None,
        Option(
            "watch the aggregator of this runs directory (default: $ESPER_RUNS_DIR or runs)", metavar="DIR"
        ),
    ] = None
    once: Annotated[bool, Option("print one frame and exit")] = False
    json: Json = False
    at: Annotated[
        str | None,
        Option(f"show an earlier moment: an update, an event, a time or a mark ({HELP})", metavar="MOMENT"),
    ] = None
    thresholds: Annotated[Path | None, THRESHOLDS] = None
    keys: ClientKey = field(default_factory=default_client_key)
    compress: Annotated[
        bool | None,
        Option(
            "receive compressed snapshots, for slow connections (default for other machines)",
            _CONNECTION,
            deprecated="--thin",
        ),
    ] = None
    theme: Annotated[
        str | None,
        Option("colour theme (default: the saved setting)", _APPEARANCE, choices=("dark", "light", "ansi")),
    ] = None
    symbols: Annotated[
        str | None,
        Option("characters for charts (default: the saved setting)", _APPEARANCE, choices=tuple(SYMBOL_SETS)),
    ] = None
    color: Annotated[
        str,
        Option(
            "number of colours; NO_COLOR is respected",
            _APPEARANCE,
            choices=("auto", "truecolor", "256", "standard"),
        ),
    ] = "auto"
    rate: Annotated[
        float | None,
        Option(
            f"frames per second, between 1 and 20 (default: 20, or {SSH_RATE:g} over ssh)",
            _APPEARANCE,
            metavar="HZ",
            minimum=0,
            exclusive=True,
        ),
    ] = None
    no_mouse: Annotated[bool, Option("leave the mouse to the terminal", _APPEARANCE)] = False
    serve: Annotated[
        int | None,
        Option(
            f"serve the screen to browsers at a port, 0 for any free one (default PORT: {DEFAULT_PORT})",
            _BROWSER,
            metavar="PORT",
            const=DEFAULT_PORT,
            parse=_port,
        ),
    ] = None
    serve_host: Annotated[
        str,
        Option(
            "address to serve at; other machines can reach it with a token only", _BROWSER, metavar="HOST"
        ),
    ] = DEFAULT_HOST
    token: Annotated[
        str | None,
        Option(
            f"token that visitors must present; ${TOKEN_VARIABLE} hides it from the list of processes",
            _BROWSER,
            metavar="TOKEN",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.serve is not None and (self.once or self.json):
            raise InvalidArgument(
                "--serve runs until it is stopped, --once and --json exit; give one of them"
            )
        if self.serve is not None and self.target == DASH:
            raise InvalidArgument("--serve cannot show a log from standard input; name a file")
        if self.runs_dir is not None and self.target is not None:
            raise InvalidArgument(
                f"--runs-dir names a directory whose aggregator is shown, {self.target} is another target; "
                "give one of them"
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sanctum` with the given arguments, the process's own by default; returns the exit code."""
    parser = OneSentenceParser(prog="sanctum")
    Command(SanctumOptions, run).add_to(parser)
    return run_command_line(parser, argv)


def run(options: SanctumOptions) -> int:
    """Show, print or serve the screen."""
    if options.runs_dir is not None:
        address = f"ipc://{runtime_dir(options.runs_dir)}"
        options = replace(options, runs_dir=None, target=address)
    if options.serve is not None:
        _open(options).close()  # reports now, and not to the visitors, that there is nothing to serve
        serve_screen(options.serve_host, options.serve, options.token, _visitor_arguments(options))
        return 0
    if not (options.once or options.json):
        _require_terminal()
    if options.color != "auto":
        os.environ["TEXTUAL_COLOR_SYSTEM"] = options.color
    notes = note_writer(options.target, options.keys)  # none about a copy of standard input
    with _with_input_copied(options) as given:
        source = _open(given)
        try:
            _show(given, source, notes)
        finally:
            source.close()
    return 0


@contextmanager
def _with_input_copied(options: SanctumOptions) -> Iterator[SanctumOptions]:
    """The options, in which a copy of standard input replaces `-`; on the screen it is followed."""
    if options.target != DASH:
        yield options
        return
    copied = copied_input if options.once or options.json else followed_input
    with copied("sanctum") as path:
        yield replace(options, target=str(path))


def _require_terminal() -> None:
    if is_served():
        return
    if not sys.stdout.isatty():
        raise CommandError("stdout is not a terminal; `sanctum --once` prints one frame")
    if os.environ.get("TERM") == "dumb":
        raise CommandError("the terminal cannot be drawn on (TERM=dumb); `sanctum --once` prints one frame")


def _open(options: SanctumOptions) -> SnapshotSource:
    thresholds = given_thresholds(options.thresholds, _recorded(options))
    return open_source(
        options.target, options.keys, run=options.run, compress=options.compress, thresholds=thresholds
    )


def _recorded(options: SanctumOptions) -> Path | None:
    """The path of the recorded run that is shown, if it is one."""
    return Path(options.target) if is_recorded(options.target) else None


def _visitor_arguments(options: SanctumOptions) -> list[str]:
    """The arguments of a visitor's process: all but those of serving and of this terminal."""
    return command_line(replace(options, serve=None, serve_host=DEFAULT_HOST, token=None, color="auto"))


def _show(options: SanctumOptions, source: SnapshotSource, notes: NoteWriter | None) -> None:
    if options.json:
        feed, past = _printed(options, source)
        echo_json(past.snapshot if past else feed.snapshot, indent=2)
    elif options.once:
        _print_frame(*_printed(options, source), options)
    else:
        app = sanctum_app(
            source,
            _opener(options),
            notes=notes,
            at=options.at or "",
            theme=options.theme,
            symbols=options.symbols,
            rate=options.rate,
        )
        app.run(mouse=not options.no_mouse)


def _opener(options: SanctumOptions) -> Callable[[str], History]:
    thresholds = given_thresholds(options.thresholds, _recorded(options))
    return history_opener(options.target, options.keys, thresholds)


def _printed(options: SanctumOptions, source: SnapshotSource) -> tuple[Feed, Past | None]:
    """The feed, and the moment of the past that is to be printed instead of its end."""
    if is_recorded(options.target):
        read_whole(source)
    feed = first_feed(source)
    if options.at is None:
        return feed, None
    history = _opener(options)(feed.snapshot.run.run)
    try:
        return feed, past_of(*snapshot_at(history, options.at))
    finally:
        history.close()


def _print_frame(feed: Feed, past: Past | None, options: SanctumOptions) -> None:
    from esper_tui.terminal.export import print_frame
    from esper_tui.view.view import ViewOptions

    settings, _ = effective_settings(options.theme, options.symbols)
    width = shutil.get_terminal_size(fallback=(100, 24)).columns
    theme = _printed_theme(settings.theme, options.color)
    # Hidden panels are printed, too: the reader may not be the one who hid them.
    view = ViewOptions(symbols=settings.symbols)
    print_frame(feed, sys.stdout, now_ns=time.time_ns(), width=width, theme=theme, options=view, past=past)


def _printed_theme(chosen: str, color: str) -> str | None:
    """The theme that this terminal can show, by the same rules as on the screen; None without colours."""
    from rich.console import Console

    from esper_tui.text.theme import theme_for

    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return None
    color_system = Console(file=sys.stdout, color_system=color).color_system  # type: ignore[arg-type]
    return theme_for(color_system, chosen) if color_system else None


if __name__ == "__main__":
    sys.exit(main())
