"""Make a run directory of a recording, for `esper diagnose` and the screen.

    python -m benchmarks.verdicts.export NAME [--to RUNS_DIR]

A recording with a fault begins with the updates of its healthy twin.
"""

import argparse
from pathlib import Path

from benchmarks.verdicts.record import CORPUS
from benchmarks.verdicts.recording_file import SUFFIX, read_recording
from benchmarks.verdicts.replay import by_update

import esper_lite
from esper_schemas.events import DecodedEvent, Event, RunStarted


def events_of(name: str, corpus: Path = CORPUS) -> list[DecodedEvent]:
    """All events of a recording, from the first update on. Raises `ValueError` for a damaged file."""
    recording = read_recording(corpus / (name + SUFFIX))
    events: list[DecodedEvent] = []
    if recording.twin:
        twin = by_update(read_recording(corpus / (recording.twin + SUFFIX)))
        events = [event for update, part in twin for event in part if update < recording.begins]
    return events + [event for _, part in by_update(recording) for event in part]


def export(name: str, runs_dir: Path, corpus: Path = CORPUS) -> Path:
    """Write the run; return its directory."""
    started, *events = events_of(name, corpus)
    assert isinstance(started, RunStarted)
    with esper_lite.connect(name, started=started, runs_dir=runs_dir, aggregator=False) as telemetry:
        for event in events:
            assert isinstance(event, Event)
            telemetry.emit(event)
    return runs_dir / name


def main() -> None:
    """Write the run that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", help="name of a recording, such as sb3-CartPole-1-NaN_reward")
    parser.add_argument("--to", type=Path, default=Path("runs"), metavar="RUNS_DIR")
    options = parser.parse_args()
    print(export(options.name, options.to))


if __name__ == "__main__":
    main()
