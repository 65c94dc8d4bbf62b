"""The fault scenarios, each a function that injects a fault into a world; numbered as in the
documentation."""

import resource
import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.chaos.hostile import (
    crowd,
    forged,
    message_of_1_gib,
    message_without_end,
    offer,
    peers,
    plain,
    random_frames,
    raw_bytes,
)
from benchmarks.chaos.proxy import Proxy
from benchmarks.chaos.witness import promise_of
from benchmarks.chaos.world import RUN, World

from esper_bus.mcap.event_channels import event_schema

HEAD_BYTES = len(event_schema()) + 2_000
"""Bytes of a spool before its first event, with a reserve."""
AGGREGATOR_POINTS = (
    "after_append",
    "before_flush",
    "mid_write",
    "after_flush_before_ack",
    "after_ack_before_answer",
)
CHECKPOINT_POINTS = ("before_checkpoint", "mid_checkpoint", "after_checkpoint")
TRAINER_POINTS = ("in_emit", "mid_write", "spooled_not_sent")
FEW_FILES = 4096
EPOCH = 0x5EED
TWO_TRAINERS = ("trainer:0", "trainer:1")


def aggregator_killed(world: World) -> None:
    """F1: the aggregator is killed repeatedly while two trainers emit."""
    aggregator = world.aggregator()
    for producer in TWO_TRAINERS:
        world.trainer(producer, events=600)
    world.emitted(1)
    for _ in range(world.rng.randint(1, 3)):
        world.pause(0.05, 0.4)
        world.kill(aggregator)
        world.pause(0.0, 0.2)
        aggregator = world.aggregator()


def aggregator_crashes(world: World) -> None:
    """F1: the aggregator dies at each point between receiving, logging, acknowledging and answering."""
    world.trainer(events=100_000)
    trainer = world.trainers[-1]
    for point in world.rng.sample(AGGREGATOR_POINTS, len(AGGREGATOR_POINTS)):
        assert world.ended(world.aggregator(sabotage=(point, world.rng.randint(2, 30)))) < 0, world.output()
    world.kill(trainer)


def aggregator_crashes_in_checkpoint(world: World) -> None:
    """F1: the aggregator dies while it writes a fold checkpoint, and restarts from what is left."""
    world.trainer(events=100_000)
    trainer = world.trainers[-1]
    often = ("events_between_checkpoints", 20)
    for point in world.rng.sample(CHECKPOINT_POINTS, len(CHECKPOINT_POINTS)):
        aggregator = world.aggregator(sabotage=(*often, point, world.rng.randint(3, 10)))
        assert world.ended(aggregator) < 0, world.output()
        assert list(world.run_dir.rglob("*.fold")), "no checkpoint was left"
    world.kill(trainer)


def aggregator_late(world: World) -> None:
    """F2: the aggregator starts when the trainer no longer has all events in memory, or after the trainer
    has ended."""
    world.trainer(events=15_000, pause_s=0.0002, close_s=0.3)
    world.emitted(5000)
    world.pause(0.0, 1.2)
    world.aggregator()


def aggregator_stopped(world: World) -> None:
    """F3: the aggregator is stopped for a while and resumes."""
    aggregator = world.aggregator()
    world.trainer(events=500)
    world.emitted(25)
    aggregator.send_signal(signal.SIGSTOP)
    world.pause(0.1, 2.5)
    aggregator.send_signal(signal.SIGCONT)


def trainer_killed(world: World) -> None:
    """F4: the trainer is killed during a burst or a pause, and restarted under its name."""
    world.aggregator()
    for pause_s in (0.0, 0.002):
        trainer = world.trainer(events=200_000, pause_s=pause_s)
        world.emitted(1)
        world.pause(0.0, 0.15)
        world.kill(trainer)
    world.trainer(events=50)


def trainer_crashes(world: World) -> None:
    """F4: trainers die in `emit`, during a write, and between writing and sending."""
    world.aggregator()
    for number, point in enumerate(TRAINER_POINTS):
        count = world.rng.randint(2, 20)
        world.trainer(f"trainer:{number}", events=10_000, sabotage=(point, count))
    assert all(world.ended(trainer) < 0 for trainer in world.trainers), world.output()


def trainer_killed_with_workers(world: World) -> None:
    """F5: the trainer is killed while its forked workers keep running."""
    trainer = world.trainer(events=100_000, fork=True)
    world.emitted(25)
    world.pause(0.0, 0.3)
    world.kill(trainer)


def both_killed(world: World) -> None:
    """F6: aggregator and trainer are killed, and restarted in either order."""
    aggregator, trainer = world.aggregator(), world.trainer(events=100_000)
    world.emitted(50)
    world.pause(0.0, 0.3)
    for process in world.rng.sample([aggregator, trainer], 2):
        world.kill(process)
    for start in world.rng.sample([world.aggregator, lambda: world.trainer(events=100)], 2):
        start()


def network(world: World) -> None:
    """F7: connections are reset, delayed, black-holed and refused, in random order."""
    world.aggregator()
    proxy = Proxy(world.endpoints.ingest)
    trainer = world.trainer(events=900, ingest=proxy.address)
    world.emitted(1)
    for mode in world.rng.sample(["pass", "pause", "blackhole", "refuse"], 4):
        proxy.mode = mode
        world.pause(0.05, 0.5)
        proxy.mode = "pass"
        proxy.reset()
        world.pause(0.0, 0.1)
    world.ended(trainer)
    proxy.close()


def disk_full(world: World) -> None:
    """F8: the spool cannot grow any further; events are sent from memory, or counted as dropped."""
    world.aggregator()
    world.trainer(
        events=500, file_bytes=world.rng.randint(HEAD_BYTES + 2_000, HEAD_BYTES + 30_000), close_s=5.0
    )


def directory_deleted(world: World) -> None:
    """F8: the spools are deleted while the trainer writes to them."""
    world.aggregator()
    world.trainer(events=300)
    world.emitted(25)
    world.pause(0.0, 0.2)
    shutil.rmtree(world.run_dir / "spool")


def files_exhausted(world: World) -> None:
    """F11: the trainer has no file descriptor left, while the aggregator is killed and restarted."""
    aggregator = world.aggregator()
    trainer = world.trainer(events=300, exhaust_files=True)
    world.emitted(50)
    world.kill(aggregator)
    world.aggregator()
    assert world.ended(trainer) == 0, world.output()


def doubles(world: World) -> None:
    """F13: a second aggregator is refused; two trainers with the same name are two streams."""
    world.aggregator()
    second = world.aggregator(wait=False)
    world.trainer("trainer:0")
    world.trainer("trainer:0")
    assert world.ended(second) == 1, world.output()
    assert "already serves" in world.output()


def epoch_reused(world: World) -> None:
    """F13: another trainer, on another disk, uses the name and the epoch of one that is emitting."""
    world.aggregator()
    honest = world.trainer(events=700, epoch=EPOCH)
    world.acknowledged(50)
    elsewhere, said = world.home / "elsewhere" / RUN, world.home / "second.jsonl"
    second = world.trainer(events=5, epoch=EPOCH, run_dir=str(elsewhere), history=str(said), pause_s=0.2)
    world.ended(second)
    world.ended(honest)
    assert "restart the trainer" in said.read_text(), said.read_text()


def viewers(world: World) -> None:
    """F14: fifty viewers, viewers that are stopped, that never read, and that connect and disconnect."""
    world.aggregator()
    world.allow("viewer", memory_mb=150, files=600)
    (_, many), (stopped, seen) = world.viewers(50), world.viewers(1)
    world.until(lambda: _seen(seen) is not None and _seen(many) is not None, "viewers")
    with peers(world) as others:
        idle = [others.viewer() for _ in range(10)]
        for subscriber in idle:
            offer(subscriber, [b"\x01snap"])
        trainer = world.trainer(events=400)
        world.emitted(1)
        stopped.send_signal(signal.SIGSTOP)
        for _ in range(20):
            others.viewer().close(linger=0)
            world.pause(0.0, 0.03)
        world.ended(trainer)
        world.until(lambda: _seen(many) == 400, "all events at fifty viewers")
        stopped.send_signal(signal.SIGCONT)
        world.until(lambda: _seen(seen) == 400, "all events at the viewer that was stopped")
        assert all(subscriber.poll(1000) for subscriber in idle), "a viewer was sent nothing"


def _seen(path: Path) -> int | None:
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return int(lines[-1]) if lines else None


def aggregator_files_exhausted(world: World) -> None:
    """F11: more connections than the aggregator may open files; it refuses new ones and keeps running."""
    world.allow("aggregator", memory_mb=250, files=FEW_FILES)
    # On a busy machine libzmq may accept many connections between two checks.
    aggregator = world.aggregator(files=FEW_FILES, sabotage=("reserved_files", FEW_FILES - 600))
    trainer = world.trainer(events=1500)
    world.acknowledged(1)
    with ExitStack() as crowd:
        turned_away = 0
        for _ in range(3 * FEW_FILES):  # silent connections are closed after two seconds
            try:
                crowd.enter_context(plain(world.rng.choice(world.endpoints)))
            except OSError:
                turned_away += 1
            if turned_away > 9:
                break
        before = promise_of(world.promise).acknowledged
        world.until(lambda: promise_of(world.promise).acknowledged > before, "event in the crowd")
    assert turned_away, "every connection was accepted"
    assert aggregator.poll() is None, world.output()
    _, seen = world.viewers(1)
    world.ended(trainer)
    world.until(lambda: _seen(seen) == 1500, "newcomer once the crowd has gone")


def viewer_files_exhausted(world: World) -> None:
    """F11: a viewer has no file descriptor left while the aggregator is killed and restarted."""
    aggregator = world.aggregator()
    trainer = world.trainer(events=400)
    viewer, seen = world.viewers(1, exhaust_files=True)
    world.until(lambda: _seen(seen) is not None, "viewer")
    world.kill(aggregator)
    world.aggregator()
    world.ended(trainer)
    world.pause(0.2, 0.4)
    assert viewer.poll() is None, world.output()


def hostile_peers(world: World) -> None:
    """F15: random frames, raw bytes, forged checksums, decompression bombs, floods, many peers, oversized
    messages."""
    world.aggregator()
    world.trainer(events=500)
    world.emitted(1)
    with peers(world) as others:
        sender, viewer, asker = others.sender(), others.viewer(), others.asker()
        for _ in range(2000):
            offer(sender, random_frames(world.rng))
            offer(viewer, [world.rng.choice([b"\x01", b"\x00", b""]) + world.rng.randbytes(9)])
        for frames in forged(world.rng, epoch=77):
            offer(others.sender(), frames)
            offer(sender, frames)
            offer(asker, frames)
        for frames in crowd(500):
            offer(sender, frames)
        offer(sender, [bytes(20 * 2**20)])
        raw_bytes(world)
        assert message_of_1_gib(world.endpoints.ingest) < 2**26, "a message of 1 GiB was taken"
        world.pause(0.2, 0.3)


def hoarding_peers(world: World) -> None:
    """F15: a message without an end, and a flood of subscriptions that are never cancelled."""
    world.allow("aggregator", memory_mb=1000)
    world.aggregator()
    world.trainer(events=1000)
    world.emitted(1)
    with peers(world) as others:
        if world.keys is None:
            assert message_without_end(world.endpoints.ingest, 1400) < 1300 * 2**20, "it was taken"
        viewer = others.viewer()
        for _ in range(100_000):
            offer(viewer, [b"\x01" + world.rng.randbytes(9)])


def small_disk(world: World) -> None:
    """F8: a real disk under the log fills up while a trainer emits, and is enlarged."""
    large = world.small_disk(world.run_dir / "log", HEAD_BYTES + 4_000)
    aggregator = world.aggregator()
    if large is None:  # without permission to mount, a file size limit is similar
        resource.prlimit(aggregator.pid, resource.RLIMIT_FSIZE, (HEAD_BYTES, resource.RLIM_INFINITY))
    trainer = world.trainer(events=1000)  # more than fit, also if they are compressed together
    world.until(lambda: "no event is acknowledged" in world.output(), "problem with the log")
    world.pause(0.1, 0.4)
    if large is not None:
        large()
    else:
        resource.prlimit(aggregator.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert world.ended(trainer) == 0, world.output()


def small_disk_of_spool(world: World) -> None:
    """F8: a real disk under the spool fills up while no aggregator is running, and is enlarged."""
    large = world.small_disk(world.run_dir / "spool", HEAD_BYTES + 6_000)
    trainer = world.trainer(events=700, close_s=10.0)
    if large is not None:
        world.until(lambda: "cannot write the spool" in world.output(), "full disk")
        world.pause(0.0, 0.3)
        large()
    world.aggregator()
    assert world.ended(trainer) == 0, world.output()


def overload(world: World) -> None:
    """F17: more events than can be processed, in a queue that is too small, and then a pause."""
    world.aggregator()
    bounds = {"max_events": world.rng.choice([500, 65_536])}
    world.trainer(events=20_000, pause_s=0.0, bounds=bounds, close_s=20.0)


def exits(world: World) -> None:
    """F18: every way in which a program can end, with events still in the queue."""
    world.aggregator()
    ways = ["exit", "exception", "thread", "_exit", "SIGTERM", "SIGINT"]
    for number, way in enumerate(world.rng.sample(ways, 3)):
        world.trainer(f"trainer:{number}", events=300, pause_s=0.0, exit=way)


SCENARIOS: dict[str, Callable[[World], None]] = {
    "F1 aggregator killed": aggregator_killed,
    "F1 aggregator crashes": aggregator_crashes,
    "F1 aggregator crashes in checkpoint": aggregator_crashes_in_checkpoint,
    "F2 aggregator late": aggregator_late,
    "F3 aggregator stopped": aggregator_stopped,
    "F4 trainer killed": trainer_killed,
    "F4 trainer crashes": trainer_crashes,
    "F5 trainer killed, workers live": trainer_killed_with_workers,
    "F6 both killed": both_killed,
    "F7 network": network,
    "F8 disk full": disk_full,
    "F8 directory deleted": directory_deleted,
    "F8 disk of the log full": small_disk,
    "F8 disk of the spool full": small_disk_of_spool,
    "F11 files exhausted": files_exhausted,
    "F11 files exhausted, aggregator": aggregator_files_exhausted,
    "F11 files exhausted, viewer": viewer_files_exhausted,
    "F13 doubles": doubles,
    "F13 epoch reused": epoch_reused,
    "F14 viewers": viewers,
    "F15 hostile peers": hostile_peers,
    "F15 hoarding peers": hoarding_peers,
    "F17 overload": overload,
    "F18 exits": exits,
}

OVER_TCP = [name for name in SCENARIOS if name.split()[0] in ("F1", "F4", "F7", "F15")]
"""Scenarios that the tests also run over tcp with keys; the soak test does so with all."""


def run_scenario(name: str, seed: int, transport: str = "ipc") -> list[str]:
    """Inject one fault and check the files that are left behind; returns the violations."""
    world = World(seed, transport)
    try:
        SCENARIOS[name](world)
        return world.finish()
    except AssertionError as error:
        return [str(error)]
    finally:
        world.close()
