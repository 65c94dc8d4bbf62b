"""`sanctum --serve`: the same screen in a browser, each visitor with a process of its own."""

import argparse
import os
import shlex
import sys

from esper_cli.output.command_failure import CommandError

PORT = 8000
TOKEN_VARIABLE = "ESPER_SERVE_TOKEN"
PASSED_ON = ("keys", "rate", "symbols", "theme")
"""Options with a value that the served screens get too."""
_FLAGS = ("thin", "no_mouse")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of serving."""
    group = parser.add_argument_group("in a browser")
    group.add_argument(
        "--serve",
        nargs="?",
        type=_port,
        const=PORT,
        metavar="PORT",
        help=f"serve the screen to browsers (default port: {PORT}; 0 takes a free one)",
    )
    group.add_argument(
        "--serve-host",
        default="127.0.0.1",
        metavar="HOST",
        help="the address to serve on; beyond this machine only with a token",
    )
    group.add_argument(
        "--token",
        metavar="TOKEN",
        help=f"let in only who shows this; ${TOKEN_VARIABLE} keeps it out of the list of processes",
    )


def is_served() -> bool:
    """Whether this process draws for a browser and not on a terminal."""
    return os.environ.get("TEXTUAL_DRIVER", "").startswith("textual.drivers.web_driver:")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C; raises `CommandError` where that cannot be."""
    if arguments.once or arguments.json:
        raise CommandError("--serve goes on, --once and --json do not; choose one of them")
    try:
        from esper_tui.serving.admission import SHORTEST_TOKEN, is_loopback
        from esper_tui.serving.server import MOST_VISITORS, bind, serve
    except ModuleNotFoundError as error:
        raise CommandError(
            f"serving needs {error.name}, which is not installed; `pip install 'esper-lite[serve]'` brings it"
        ) from error
    token = arguments.token if arguments.token is not None else os.environ.pop(TOKEN_VARIABLE, None)
    host = arguments.serve_host
    if token is None and not is_loopback(host):
        raise CommandError(f"{host} can be reached by others; set {TOKEN_VARIABLE} to serve there")
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise CommandError(f"the token is too short to keep anybody out; take {SHORTEST_TOKEN} characters")
    try:
        listening = bind(host, arguments.serve)
    except OSError as error:
        raise CommandError(_not_bound(host, arguments.serve, error)) from error
    address = _address(host, listening.getsockname()[1], token)
    print(f"Sanctum is at {address} for up to {MOST_VISITORS} visitors; Ctrl-C ends it.", flush=True)
    serve(listening, command(arguments), token)
    return 0


def command(arguments: argparse.Namespace) -> str:
    """What a visitor's process is started with, as a line for the shell."""
    words = [sys.executable, "-m", "esper_cli.sanctum"]
    for name in PASSED_ON:
        value = getattr(arguments, name)
        words += [] if value is None else [f"--{name}", str(value)]
    words += [f"--{name.replace('_', '-')}" for name in _FLAGS if getattr(arguments, name)]
    words += [] if arguments.target is None else ["--", arguments.target]
    return "exec " + shlex.join(words)


def _port(word: str) -> int:
    try:
        port = int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is no port; name the target before --serve") from None
    if not 0 <= port < 1 << 16:
        raise argparse.ArgumentTypeError(f"{port} is no port; there are 65,535")
    return port


def _address(host: str, port: int, token: str | None) -> str:
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{port}/" + ("?token=TOKEN (your token there)" if token else "")


def _not_bound(host: str, port: int, error: OSError) -> str:
    return f"cannot serve on {host} port {port} ({error.strerror or error}); name another: `--serve PORT`"
