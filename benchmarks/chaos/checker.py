"""Judges a chaos run from the files that it left behind: logs, spools, histories, the last snapshots."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from esper_aggregator.replay import snapshot_of
from esper_bus.files import log_files
from esper_bus.layout import RunPaths
from esper_bus.mcap_reader import Damage
from esper_bus.merging import read_stream_file
from esper_bus.records import StreamKey
from esper_schemas.codec import decode_event, to_json
from esper_schemas.events import EpisodeCompleted, EventsDropped

History = dict[str, Any]
Stream = dict[int, bytes]


def check(runs_dir: Path, histories: Path, snapshots: dict[str, str]) -> list[str]:
    """Every violated invariant as a sentence; none if all is well.

    `snapshots` has the last published snapshot of each run as JSON. The histories' last lines say what
    each trainer knew; "final" ones that it came to its end.
    """
    known = {_key(history): history for history in _histories(histories)}
    faults = [f"{path.name} is empty" for path in histories.glob("*.jsonl") if not path.read_text().strip()]
    faults += [] if known else ["nobody emitted anything"]
    for run_dir in sorted(path.parent for path in runs_dir.glob("*/log")):
        logged = _logged(run_dir, faults)
        faults += [f"nobody emitted {key}" for key in logged if key not in known]
        if run_dir.name in snapshots and not _is_fold(snapshots[run_dir.name], run_dir):
            faults.append(f"the last snapshot of {run_dir.name} is not the fold of its log")
        for key, history in known.items():
            if key.run == run_dir.name:
                faults += _judge(key, history, logged.get(key, {}), _spooled(run_dir, key))
    return faults


def _is_fold(published: str, run_dir: Path) -> bool:
    """Whether a snapshot is what the log folds to, but for what never came into the log."""
    pictures = [json.loads(text) for text in (published, to_json(snapshot_of(run_dir)))]
    for picture in pictures:
        for count in ("duplicates", "rejected"):
            picture["link"].pop(count, None)
    return bool(pictures[0] == pictures[1])


def _histories(directory: Path) -> list[History]:
    lines = [path.read_text().split("\n")[:-1] for path in directory.glob("*.jsonl")]
    return [json.loads(text[-1]) for text in lines if text]  # a kill may tear the line behind


def _key(history: History) -> StreamKey:
    return StreamKey(history["run"], history["producer"], history["epoch"])


def _logged(run_dir: Path, faults: list[str]) -> dict[StreamKey, Stream]:
    """The streams of a log; what is not 0..n-1, each once and in order, is a fault."""
    streams: dict[StreamKey, Stream] = defaultdict(dict)
    for path in log_files(run_dir).logs:
        for record in read_stream_file(path, _only_torn(faults)):
            if record.seq != len(streams[record.stream]):
                faults.append(f"{path.name}: {record.seq} stands where {len(streams[record.stream])} should")
            streams[record.stream][record.seq] = record.data
    return streams


def _spooled(run_dir: Path, key: StreamKey) -> Stream:
    path = RunPaths(run_dir).spool_file(key.producer, key.epoch)
    if not path.exists():
        return {}
    return {record.seq: record.data for record in read_stream_file(path, lambda damage: None)}


def _only_torn(faults: list[str]) -> Any:
    """A kill may tear the end of a file; anything else is a fault."""

    def say(damage: Damage) -> None:
        if "cut short" not in damage.what:
            faults.append(f"{damage.file} is damaged at {damage.offset}: {damage.what}")

    return say


def _judge(key: StreamKey, history: History, logged: Stream, spooled: Stream) -> list[str]:
    name = f"{key.producer}/{key.epoch:x}"
    faults = [f"{name}: {seq} differs in spool and log" for seq in spooled if spooled[seq] != logged.get(seq)]
    if history["acknowledged"] > len(logged):
        faults.append(f"{name}: {history['acknowledged']} acknowledged, {len(logged)} logged")
    if history["spooled"] > len(logged):
        faults.append(f"{name}: {history['spooled']} in the spool, {len(logged)} logged")
    return faults + _account(name, history, logged)


def _account(name: str, history: History, logged: Stream) -> list[str]:
    """Emitted = logged + dropped, and every event is the one that was emitted at its place."""
    events = [decode_event(data) for data in logged.values()]
    numbers = [event.episode for event in events if isinstance(event, EpisodeCompleted)]
    dropped = sum(event.count for event in events if isinstance(event, EventsDropped))
    faults = [] if numbers == sorted(set(numbers)) else [f"{name}: events out of order"]
    if not dropped and numbers != list(range(len(numbers))):
        faults.append(f"{name}: an event is missing and was not counted")
    if history["final"] and history["emitted"] != len(numbers) + dropped:
        faults.append(f"{name}: emitted {history['emitted']} != {len(numbers)} logged + {dropped} dropped")
    return faults
