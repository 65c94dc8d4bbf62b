"""A training in a process of its own, and Sanctum on it in this one."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from esper_cli.output.command_failure import CommandError
from esper_cli.output.echo import echo
from esper_cli.screen.note_writer import notes_of_aggregator
from esper_cli.screen.sanctum_app import sanctum_app
from esper_trainer.request import TrainingRequest
from esper_trainer.run.run_directory import recovery_advice

LAST_LINES = 4
"""The number of output lines to print of a trainer that has ended: its summary or error."""


def train_beside_sanctum(request: TrainingRequest, command: Sequence[str], run_dir: Path) -> int:
    """Start a training and show it until the user quits, then print its output; returns its exit code.

    Neither process can disturb the other.
    """
    output = run_dir / "trainer.log"
    with output.open("w") as file:
        trainer = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    show_sanctum(request, trainer, run_dir)
    if trainer.poll() is None:
        echo(f"Training goes on (Ctrl-C stops it); `sanctum` opens the screen again. Recording to {run_dir}")
    code = _follow(trainer, output)
    if code < 0:
        cause = f"signal {-code} ({signal.strsignal(-code)})"
        raise CommandError(f"the training was ended by {cause}; {recovery_advice(run_dir)}")
    return code


def show_sanctum(request: TrainingRequest, trainer: "subprocess.Popen[bytes]", run_dir: Path) -> None:
    """Show Sanctum until the user quits, or the trainer fails before it has recorded anything."""
    from esper_bus.net.remote_history import RemoteHistory
    from esper_bus.net.snapshot_source import SocketSource

    endpoints, keys = request.endpoints(), request.client_keys()
    starting = f"The training is starting; what it prints is in {run_dir / 'trainer.log'}."
    source = SocketSource(lambda: endpoints, keys=keys, awaited=starting)
    source.select(run_dir.name)
    notes = notes_of_aggregator(lambda: endpoints, keys)
    app = sanctum_app(source, lambda run: RemoteHistory(lambda: endpoints, run, keys), notes=notes)

    def exit_if_nothing_was_recorded() -> None:
        if trainer.wait() != 0 and not (run_dir / "spool").exists() and app.is_running:
            app.call_from_thread(app.exit)

    threading.Thread(target=exit_if_nothing_was_recorded, daemon=True).start()
    try:
        app.run()
    finally:
        source.close()


def _follow(trainer: "subprocess.Popen[bytes]", output: Path) -> int:
    """Print what the trainer prints from now on, or its last lines; Ctrl-C asks it to stop cleanly."""
    with output.open() as file:
        if trainer.poll() is None:
            file.seek(0, os.SEEK_END)
        else:
            sys.stdout.writelines(deque(file, maxlen=LAST_LINES))
        while True:
            ended = trainer.poll() is not None
            try:
                sys.stdout.write(file.read())
                sys.stdout.flush()
                if ended:
                    return trainer.returncode
                time.sleep(0.1)
            except KeyboardInterrupt:
                os.kill(trainer.pid, signal.SIGINT)
