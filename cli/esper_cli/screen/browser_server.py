"""`sanctum --serve`: the same screen in a browser; each visitor has a process of its own."""

import os
import shlex
import sys
from collections.abc import Sequence

from esper_cli.output.command_failure import CommandError
from esper_cli.output.echo import echo

TOKEN_VARIABLE = "ESPER_SERVE_TOKEN"


def serve_screen(host: str, port: int, token: str | None, arguments: Sequence[str]) -> None:
    """Serve until Ctrl-C. `arguments` are those of `sanctum` in the process of a visitor.

    Raises `CommandError` if the screen cannot be served there.
    """
    try:
        from esper_tui.serving.admission import SHORTEST_TOKEN, is_loopback
        from esper_tui.serving.sanctum_server import MOST_VISITORS, bind, serve
    except ModuleNotFoundError as error:
        raise CommandError(
            f"--serve needs {error.name}, which is not installed; "
            "install it with: pip install 'esper-lite[serve]'"
        ) from error
    token = token if token is not None else os.environ.pop(TOKEN_VARIABLE, None)
    if token is None and not is_loopback(host):
        raise CommandError(f"{host} is reachable from other machines; set {TOKEN_VARIABLE} to serve there")
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise CommandError(f"the token is too short; choose one of at least {SHORTEST_TOKEN} characters")
    try:
        listening = bind(host, port)
    except OSError as error:
        raise CommandError(
            f"cannot serve on {host} port {port} ({error.strerror or error}); choose another: `--serve PORT`"
        ) from error
    address = _address(host, listening.getsockname()[1], token)
    echo(f"Sanctum is at {address} for up to {MOST_VISITORS} visitors; Ctrl-C stops it.")
    sys.stdout.flush()
    serve(listening, visitor_command(arguments), token)


def visitor_command(arguments: Sequence[str]) -> str:
    """The command line of a visitor's process, quoted for the shell."""
    return "exec " + shlex.join([sys.executable, "-m", "esper_cli.sanctum", *arguments])


def _address(host: str, port: int, token: str | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + ("?token=TOKEN (with your token)" if token else "")
