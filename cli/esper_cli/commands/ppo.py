"""`esper ppo`: train a policy, record every update, and open Sanctum on it."""

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from esper_bus.host.process_logging import configure_logging
from esper_bus.names import check_name
from esper_cli.output.command_failure import CommandError
from esper_cli.output.training_progress import progress
from esper_cli.screen.sanctum_app import cockpit
from esper_trainer.options import add_training_arguments, command_line, request_from
from esper_trainer.ranks.rank_launcher import train_with_ranks
from esper_trainer.request import TrainingRequest
from esper_trainer.run.progress_report import summary_lines
from esper_trainer.run.run_directory import create_run_dir, recovery_advice, require_run

LAST_LINES = 4
"""So much of a trainer's output is shown when it ended behind Sanctum: the summary, or what went wrong."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `esper ppo`."""
    add_training_arguments(parser)
    parser.add_argument(
        "--ranks",
        type=int,
        default=1,
        metavar="N",
        help="train with so many processes on this machine, which share the environments (default: 1)",
    )
    parser.add_argument("--no-tui", action="store_true", help="print progress instead of opening Sanctum")
    parser.add_argument("--log-json", action="store_true", help="log JSON lines instead of key=value")


def run(arguments: argparse.Namespace) -> int:
    """Train; returns 0 if every update that was asked for was made."""
    configure_logging(json=arguments.log_json)
    _require_torch()
    request = request_from(arguments)
    _require_ranks(request, arguments.ranks)
    arguments.name = request.run_name()
    request = replace(request, name=arguments.name)
    if arguments.no_tui or not (sys.stdout.isatty() and sys.stdin.isatty()):
        return _train(request, arguments)
    return _train_beside_sanctum(request, _run_dir(request, arguments.ranks))


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise CommandError(
            "training needs torch; install it with: pip install 'esper-lite[trainer]' "
            "(in a checkout: pip install -e '.[trainer]')"
        )


def _require_ranks(request: TrainingRequest, ranks: int) -> None:
    """See that the settings can work, and that so many processes can share the environments."""
    config = request.config()
    if ranks < 1:
        raise CommandError("there has to be at least 1 of --ranks; choose another number")
    if not request.resume:
        config.share(ranks)


def _run_dir(request: TrainingRequest, ranks: int) -> Path:
    """The directory of the run, with a checkpoint in it if it is to be resumed."""
    if not request.resume:
        return create_run_dir(request.runs_dir, request.run_name())
    if ranks > 1:  # the processes know together which checkpoint
        run_dir = request.runs_dir / check_name("run", request.run_name())
        require_run(run_dir)
        return run_dir
    from esper_trainer.session import plan  # torch, once more, finds mistakes before a screen opens

    return plan(request).run_dir


def _train(request: TrainingRequest, arguments: argparse.Namespace) -> int:
    """Train in this process, or in several, with progress on stdout."""
    if arguments.ranks > 1:
        if not request.resume:
            create_run_dir(request.runs_dir, request.run_name())
        return train_with_ranks(command_line(arguments), arguments.ranks)
    from esper_trainer.session import plan, record_training

    request.client_keys()  # a mistake is reported before there is a run
    planned = plan(request)
    with progress(planned.config.episodes) as on_update:
        recorded = record_training(planned, request.aggregator or True, on_update, keys=request.keys)
    print("\n".join(summary_lines(recorded.summary, planned.run_dir)))
    if recorded.lost:
        why = recorded.events.problem or "see the warnings above"
        raise CommandError(f"{recorded.lost} of {recorded.events.emitted} events were not recorded: {why}")
    return 0 if recorded.summary.outcome == "completed" else 1


def _train_beside_sanctum(request: TrainingRequest, run_dir: Path) -> int:
    """Train in a process of its own and show Sanctum in this one; neither can disturb the other."""
    output = run_dir / "trainer.log"
    command = [sys.executable, "-m", "esper_cli", *_same_arguments(request), "--no-tui"]
    with output.open("w") as file:
        trainer = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    _show_sanctum(request, trainer, run_dir)
    if trainer.poll() is None:
        print(f"Training goes on (Ctrl-C stops it); `sanctum` watches again. Recording to {run_dir}")
    code = _follow(trainer, output)
    if code < 0:
        how = f"signal {-code} ({signal.strsignal(-code)})"
        raise CommandError(f"the training was ended by {how}; {recovery_advice(run_dir)}")
    return code


def _same_arguments(request: TrainingRequest) -> list[str]:
    """The command line of this run, with its name decided."""
    given = sys.argv[1:]
    return given if request.resume or "--name" in given else [*given, f"--name={request.run_name()}"]


def _show_sanctum(request: TrainingRequest, trainer: subprocess.Popen[bytes], run_dir: Path) -> None:
    """Show Sanctum until the user leaves it, or the trainer fails before it has recorded anything."""
    from esper_bus.net.snapshot_source import SocketSource

    endpoints, keys = request.endpoints(), request.client_keys()
    starting = f"The training is starting; what it prints is in {run_dir / 'trainer.log'}."
    source = SocketSource(lambda: endpoints, keys=keys, awaited=starting)
    source.select(run_dir.name)
    app = cockpit(source)

    def leave_if_stillborn() -> None:
        if trainer.wait() != 0 and not (run_dir / "spool").exists() and app.is_running:
            app.call_from_thread(app.exit)

    threading.Thread(target=leave_if_stillborn, daemon=True).start()
    try:
        app.run()
    finally:
        source.close()


def _follow(trainer: subprocess.Popen[bytes], output: Path) -> int:
    """Pass on what the trainer prints from now on, or how it ended; Ctrl-C asks it to end cleanly."""
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
