"""A trainer for the scenarios: emits numbered events with a real emitter and records its statistics.

Each line of its history is one report of the emitter, such as the numbers of emitted and acknowledged events.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from benchmarks.chaos.sabotage import sabotage
from benchmarks.chaos.stopwatch import Stopwatch
from benchmarks.chaos.witness import Witness

from esper_bus.auth.keys import load_client_keys
from esper_bus.emit import emitter as emitter_module
from esper_bus.emit.emitter import Emitter
from esper_bus.host.process_logging import configure_logging
from esper_schemas.events import EpisodeCompleted

REPORT_EVERY = 25


def main() -> None:
    """Emit events as specified by the JSON object on the command line."""
    configure_logging()
    plan = json.loads(sys.argv[1])
    run_dir = Path(plan["run_dir"])
    if plan.get("file_bytes"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (plan["file_bytes"], plan["file_bytes"]))
    witness = Witness(Path(plan["history"]).with_suffix(".promise"))
    if plan.get("sabotage"):
        sabotage(*plan["sabotage"])
    keys = load_client_keys(Path(plan["keys"])) if plan.get("keys") else None
    bounds = plan.get("bounds", {})
    if plan.get("epoch"):
        emitter_module.new_epoch = lambda: plan["epoch"]
    emitter = Emitter(run_dir.name, plan["producer"], run_dir, plan["ingest"], keys=keys, **bounds)
    witness.emitter(emitter.epoch)
    with Path(plan["history"]).open("w") if not plan.get("file_bytes") else os.fdopen(1, "w") as history:
        work(plan, emitter, history)


def work(plan: dict[str, Any], emitter: Emitter, history: TextIO) -> None:
    """Emit events and end in the requested way."""
    watch = Stopwatch()
    report(plan, emitter, history)
    if plan.get("fork") and os.fork() == 0:
        time.sleep(600)
    if plan.get("exhaust_files"):
        exhaust_files()
    for number in range(plan["events"]):
        event = EpisodeCompleted(environment=0, episode=number, episode_return=0.5, length=9)
        if plan["pause_s"]:
            watch.call(lambda event=event: emitter.emit(event))  # type: ignore[misc]
            time.sleep(plan["pause_s"])
        else:
            emitter.emit(event)
        if number % REPORT_EVERY == 0:
            report(plan, emitter, history)
    leave(plan.get("exit", "close"), emitter)
    allowed_s, began = plan.get("close_s", 2.0), time.monotonic()
    emitter.close(allowed_s)
    late_s = time.monotonic() - began - allowed_s
    report(plan, emitter, history, final=True, late_s=late_s, **watch.report())


def report(plan: dict[str, Any], emitter: Emitter, history: TextIO, **more: Any) -> None:
    """Write the statistics of the emitter to the history."""
    stats = emitter.stats
    line = {
        "run": Path(plan["run_dir"]).name,
        "producer": plan["producer"],
        "epoch": emitter.epoch,
        "emitted": stats.emitted,
        "spooled": stats.spooled,
        "acknowledged": stats.acknowledged,
        "dropped": stats.dropped,
        "errors": stats.errors,
        "problem": stats.problem,
        "final": False,
        **more,
    }
    history.write(json.dumps(line) + "\n")
    history.flush()


def exhaust_files() -> None:
    """Open files until no descriptor is left, and keep them open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    kept = []
    try:
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        globals()["_kept"] = kept


def leave(how: str, emitter: Emitter) -> None:
    """End in one of the ways in which programs end; "close" returns."""
    if how == "exit":
        sys.exit(3)
    if how == "exception":
        raise RuntimeError("as planned")
    if how == "thread":
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    if how == "_exit":
        os._exit(4)
    if how in ("SIGTERM", "SIGINT"):
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(5)


if __name__ == "__main__":
    main()
