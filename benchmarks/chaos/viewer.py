"""Viewers for the scenarios: many snapshot sources in one process, which records the slowest position."""

import itertools
import json
import sys
import time
from pathlib import Path

from benchmarks.chaos.trainer import exhaust_files

from esper_bus.addresses import parse
from esper_bus.auth.keys import load_client_keys
from esper_bus.net.snapshot_source import SocketSource


def main() -> None:
    """Poll as specified by the JSON object on the command line, until killed."""
    plan = json.loads(sys.argv[1])
    keys = load_client_keys(Path(plan["keys"])) if plan["keys"] else None
    endpoints = parse(plan["url"], keyed=keys is not None)
    sources = [SocketSource(lambda: endpoints, keys=keys) for _ in range(plan["count"])]
    with Path(plan["seen"]).open("w") as seen:
        for turn in itertools.count():
            seen.write(f"{min(source.poll().snapshot.events_folded for source in sources)}\n")
            seen.flush()
            if turn == 0 and plan["exhaust_files"]:
                exhaust_files()
            time.sleep(0.05)


if __name__ == "__main__":
    main()
