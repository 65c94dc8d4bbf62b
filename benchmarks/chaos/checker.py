"""Checks the files that a chaos run leaves behind: logs, spools, histories, the last snapshots."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.chaos.witness import promise_of

from esper_aggregator.replay import snapshot_of
from esper_bus.mcap.reader import Damage, read_file
from esper_bus.paths import RunPaths
from esper_bus.records import StreamKey
from esper_bus.store.run_files import log_files
from esper_schemas.codec import decode_event, to_json
from esper_schemas.events import EpisodeCompleted, EventsDropped

LATE_S = 2.0
"""Seconds after its signal within which a trainer has to end, on a busy machine."""
SLOW_SHARE = 0.001
SLOW_ALWAYS = 3
LONGEST_MS = 50.0
"""Maximum duration of an emit; a share of `SLOW_SHARE` and `SLOW_ALWAYS` emits may exceed 1 ms."""

History = dict[str, Any]
Stream = dict[int, bytes]


def check(runs_dir: Path, histories: Path, snapshots: dict[str, str]) -> list[str]:
    """Every violated invariant as a sentence; none if all hold.

    `snapshots` has the last published snapshot of each run as JSON. The last line of each history has the
    state that the trainer reported; "final" ones were written at its end.
    """
    known = {_key(history): history for history in _histories(histories)}
    faults = [f"{path.name} is empty" for path in histories.glob("*.jsonl") if not path.read_text().strip()]
    faults += [] if known else ["no trainer emitted an event"]
    for run_dir in sorted(path.parent for path in runs_dir.glob("*/log")):
        logged = _logged(run_dir, faults)
        faults += [f"no trainer emitted {key}" for key in logged if key not in known]
        if run_dir.name in snapshots and not _is_fold(snapshots[run_dir.name], run_dir):
            faults.append(f"the last snapshot of {run_dir.name} is not the fold of its log")
        for key, history in known.items():
            if key.run == run_dir.name:
                faults += _check_stream(key, history, logged.get(key, {}), RunPaths(run_dir))
    return faults


def broken_promises(run_dir: Path, histories: Path) -> list[str]:
    """Events that were acknowledged to trainers and are not on the disk, while no aggregator is running."""
    faults: list[str] = []
    logged = _logged(run_dir, faults) if run_dir.is_dir() else {}
    for history in _histories(histories):
        key = _key(history)
        if key.run == run_dir.name and history["acknowledged"] > len(logged.get(key, {})):
            faults.append(
                f"{_name(key)}: {history['acknowledged']} were acknowledged when the aggregator died, "
                f"{len(logged.get(key, {}))} are in its log"
            )
    return faults


def _is_fold(published: str, run_dir: Path) -> bool:
    """Whether a snapshot is the fold of the log, except for counts that are not in the log."""
    snapshots = [json.loads(text) for text in (published, to_json(snapshot_of(run_dir)))]
    for snapshot in snapshots:
        for count in ("duplicates", "rejected", "refused", "rivals"):
            snapshot["link"].pop(count, None)
    return bool(snapshots[0] == snapshots[1])


def _histories(directory: Path) -> list[History]:
    """The last report of each trainer, with later acknowledgements."""
    reports = []
    for path in directory.glob("*.jsonl"):
        lines = path.read_text().split("\n")[:-1]  # a kill may truncate the last line
        if lines:
            promise = promise_of(path.with_suffix(".promise"))
            report = json.loads(lines[-1])
            report["acknowledged"] = max(report["acknowledged"], promise.acknowledged)
            reports.append({**report, "written": promise.spooled})
    return reports


def _key(history: History) -> StreamKey:
    return StreamKey(history["run"], history["producer"], history["epoch"])


def _name(key: StreamKey) -> str:
    return f"{key.producer}/{key.epoch:x}"


def _logged(run_dir: Path, faults: list[str]) -> dict[StreamKey, Stream]:
    """The streams of a log; a stream that is not 0..n-1, each once and in order, is a fault."""
    streams: dict[StreamKey, Stream] = defaultdict(dict)
    for path in log_files(run_dir).logs:
        for record in read_file(path, _only_torn(faults)):
            if record.seq != len(streams[record.stream]):
                faults.append(f"{path.name}: {record.seq} in place of {len(streams[record.stream])}")
            streams[record.stream][record.seq] = record.data
    return streams


def _only_torn(faults: list[str]) -> Any:
    """A handler of damage: a kill may truncate a file; anything else is a fault."""

    def report(damage: Damage) -> None:
        if "cut short" not in damage.what:
            faults.append(f"{damage.file} is damaged at {damage.offset}: {damage.what}")

    return report


def _check_stream(key: StreamKey, history: History, logged: Stream, paths: RunPaths) -> list[str]:
    name = _name(key)
    faults: list[str] = []
    if history["acknowledged"] > len(logged):
        faults.append(f"{name}: {history['acknowledged']} acknowledged, {len(logged)} logged")
    if history["spooled"] > len(logged):
        faults.append(f"{name}: {history['spooled']} in the spool, {len(logged)} logged")
    spool = paths.spool_file(key.producer, key.epoch)
    if spool.exists():
        faults += _compare(name, _spooled(spool), logged, history["written"])
    return faults + _account(name, history, logged) + _isolated(name, history)


def _spooled(path: Path) -> Stream:
    return {record.seq: record.data for record in read_file(path, lambda damage: None)}


def _compare(name: str, spooled: Stream, logged: Stream, written: int) -> list[str]:
    """Spool and log agree, and the spool has every event that was written to it."""
    faults = [f"{name}: {seq} differs in spool and log" for seq in spooled if spooled[seq] != logged.get(seq)]
    few = f"{name}: {written} were written to the spool, {len(spooled)} are there"
    return faults + ([few] if len(spooled) < written else [])


def _account(name: str, history: History, logged: Stream) -> list[str]:
    """Emitted = logged + dropped, and every event is the one that was emitted at its position."""
    events = [decode_event(data) for data in logged.values()]
    numbers = [event.episode for event in events if isinstance(event, EpisodeCompleted)]
    dropped = sum(event.count for event in events if isinstance(event, EventsDropped))
    faults = [] if numbers == sorted(set(numbers)) else [f"{name}: events out of order"]
    if not dropped and numbers != list(range(len(numbers))):
        faults.append(f"{name}: an event is missing and was not counted")
    if history["final"] and history["emitted"] != len(numbers) + dropped:
        faults.append(f"{name}: emitted {history['emitted']} != {len(numbers)} logged + {dropped} dropped")
    return faults


def _isolated(name: str, history: History) -> list[str]:
    """The training thread was not delayed, and ended in time."""
    if not history["final"]:
        return []
    faults = []
    if history["late_s"] > LATE_S:
        faults.append(f"{name}: ended {history['late_s']:.1f} s after its signal")
    if history["over_1_ms"] > SLOW_ALWAYS + SLOW_SHARE * history["emits"]:
        faults.append(f"{name}: {history['over_1_ms']} of {history['emits']} emits took over 1 ms")
    if history["longest_ms"] > LONGEST_MS:
        faults.append(f"{name}: an emit took {history['longest_ms']:.0f} ms")
    return faults
