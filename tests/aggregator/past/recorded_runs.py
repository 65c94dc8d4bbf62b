"""Recorded runs of every shape: finished, killed, damaged, merged from spools, resumed, of two ranks."""

from itertools import count, groupby
from operator import attrgetter

from msgspec.structs import replace

from esper_aggregator.recording import Recording
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, RawRecord, StreamKey
from esper_bus.store.spool import SpoolWriter
from esper_schemas import events as e
from esper_schemas.codec import encode_event
from esper_schemas.payload import PPOUpdatePayload

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND


class Trainer:
    """Makes the records of one producer, one process after the other."""

    def __init__(self, producer="host:0", clock=None):
        self.producer = producer
        self.epoch = 0
        self.clock = clock or count(START_NS, SECOND)

    def start(self, **fields):
        """A new process."""
        self.epoch += 1
        self.seq = count()
        yield self.record(e.RunStarted(task="digits", **fields))

    def record(self, event):
        """The next record of the process."""
        now = next(self.clock)
        stream = StreamKey("r", self.producer, self.epoch)
        return RawRecord(stream, next(self.seq), now, now, encode_event(event))

    def updates(self, first, end):
        """Everything that belongs to some updates."""
        for update in range(first, end):
            yield from self.rollout(update)
            yield self.completed(update)
            if update % 7 == 0:
                yield self.record(e.AnomalyDetected(update=update, anomaly="large_kl", severity="warning"))
            if update % 10 == 0:
                yield self.record(e.CheckpointSaved(update=update, path=f"{update}.pt"))

    def rollout(self, update):
        """The episodes of an update, and their summary."""
        yield self.record(e.EpisodeCompleted(environment=0, episode=update, episode_return=update / 3))
        yield self.record(e.RolloutCompleted(update=update, env_steps_total=update, mean_return=update / 3))

    def completed(self, update):
        """The update itself."""
        payload = PPOUpdatePayload(
            policy_loss=float("inf") if update == 34 else update / 7 + self.epoch,
            kl_divergence=0.5 if update % 30 < 9 else 0.001,
            head_op_entropy=float("nan") if update == 33 else 0.3,
        )
        return self.record(e.PPOUpdateCompleted(update=update, payload=payload))


def whole(updates=50):
    """One process that finishes."""
    trainer = Trainer()
    yield from trainer.start(seed=3)
    yield from trainer.updates(1, updates + 1)
    yield trainer.record(e.RunFinished(outcome="completed", updates=updates))


def resumed():
    """A process that is killed in update 41, one that resumes from 20, and one that resumes from 30."""
    trainer = Trainer()
    yield from trainer.start()
    yield from trainer.updates(1, 41)
    yield from trainer.rollout(41)
    yield from trainer.start(resumed_from=20)
    yield from trainer.updates(21, 36)
    yield from trainer.start(resumed_from=30)
    yield from trainer.updates(31, 61)


def two_ranks():
    """Two ranks, of which the second one is half an update behind the first, and then dies."""
    clock = count(START_NS, SECOND)
    first, second = Trainer("host:0", clock), Trainer("host:1", clock)
    yield from first.start(rank=0, world_size=2)
    yield from second.start(rank=1, world_size=2)
    yield from first.rollout(1)
    for update in range(1, 31):
        yield first.completed(update)
        yield from first.rollout(update + 1)
        yield from second.rollout(update)
        yield second.completed(update)
    for update in range(31, 41):
        yield first.completed(update)
        yield from first.rollout(update + 1)


def two_ranks_resumed():
    """Two ranks that are killed in update 31, and resume from update 20, the second one a little later."""
    clock = count(START_NS, SECOND)
    first, second = Trainer("host:0", clock), Trainer("host:1", clock)
    for begin, end, resumed_from in ((1, 31, None), (21, 41, 20)):
        yield from first.start(rank=0, world_size=2, resumed_from=resumed_from)
        yield from first.rollout(begin)
        yield from second.start(rank=1, world_size=2, resumed_from=resumed_from)
        for update in range(begin, end):
            yield from second.rollout(update)
            yield first.completed(update)
            yield from first.rollout(update + 1)
            yield second.completed(update)


def logged():
    """A program that logs values under its own names, in two calls for each step."""
    trainer = Trainer()
    yield from trainer.start()
    for step in range(1, 41):
        yield trainer.record(e.ScalarsLogged(values={"train/loss": 1 / step, "mine": step}, step=64 * step))
        yield trainer.record(e.ScalarsLogged(values={"train/approx_kl": 0.01 * step}, step=64 * step))


def every_tenth():
    """A trainer that records every tenth update, and nothing else."""
    trainer = Trainer()
    yield from trainer.start()
    for update in range(10, 300, 10):
        yield trainer.completed(update)


def of_run(run_dir, records):
    """The records as those of the run that a directory is named after."""
    return [replace(one, stream=one.stream._replace(run=run_dir.name)) for one in records]


def record(run_dir, records, epoch=1, *, close=True):
    """Record events as an aggregator does; without `close`, as if it had been killed."""
    recording = Recording(run_dir, epoch)
    for number, one in enumerate(of_run(run_dir, records)):
        recording.extend([one])
        if number % 5 == 4:
            recording.flush()
    recording.flush()
    if close:
        recording.close()
    return recording


def spool(run_dir, records):
    """Write the spools of trainers."""
    ordered = sorted(of_run(run_dir, records), key=attrgetter("stream"))
    for stream, group in groupby(ordered, attrgetter("stream")):
        writer = SpoolWriter(RunPaths(run_dir), stream)
        mine = list(group)
        for at in range(0, len(mine), 3):
            part = mine[at : at + 3]
            writer.write(Batch.of(part[0].seq, part))
        writer.close()


def finished(run_dir):
    """A log in two files, both complete."""
    events = list(whole())
    record(run_dir, events[:70])
    record(run_dir, events[70:], epoch=2)


def killed(run_dir):
    """A log whose aggregator was killed."""
    record(run_dir, whole(), close=False)


def of_spools(run_dir):
    """Only spools, of two ranks."""
    spool(run_dir, two_ranks())


def merged(run_dir):
    """A log that has the first half of two processes' events, and spools with all of them."""
    events = list(resumed())
    record(run_dir, events[: len(events) // 2])
    spool(run_dir, events)


def holed(run_dir):
    """A log with a gap that the spool fills."""
    events = list(whole())
    record(run_dir, events[:40] + events[60:])
    spool(run_dir, events)


def damaged(run_dir):
    """A log in two files with a flipped bit in the first one, without spools."""
    finished(run_dir)
    first = min((run_dir / "log").glob("*.mcap"), key=lambda path: path.stat().st_mtime_ns)
    data = bytearray(first.read_bytes())
    data[len(data) * 2 // 3] ^= 4
    first.write_bytes(data)


SHAPES = {
    "finished": finished,
    "killed": killed,
    "spools": of_spools,
    "merged": merged,
    "holed": holed,
    "damaged": damaged,
    "resumed": lambda run_dir: record(run_dir, resumed()),
    "two ranks": lambda run_dir: record(run_dir, two_ranks()),
    "two ranks, resumed": lambda run_dir: record(run_dir, two_ranks_resumed()),
    "logged": lambda run_dir: record(run_dir, logged()),
    "every tenth": lambda run_dir: record(run_dir, every_tenth()),
}
