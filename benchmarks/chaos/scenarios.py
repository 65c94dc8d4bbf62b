"""The faults, each as a function that lets it happen to a world; names as in the documentation."""

import shutil
import signal
import socket
from collections.abc import Callable

import zmq
from benchmarks.chaos.proxy import Proxy
from benchmarks.chaos.world import World

from esper_bus.streams import event_schema

HEAD_BYTES = len(event_schema()) + 2_000
"""What a spool has before its first event, with a reserve."""
AGGREGATOR_POINTS = (
    "after_append",
    "before_flush",
    "mid_write",
    "after_flush_before_ack",
    "after_ack_before_answer",
)
TRAINER_POINTS = ("in_emit", "mid_write", "spooled_not_sent")
TWO_TRAINERS = ("trainer:0", "trainer:1")


def aggregator_killed(world: World) -> None:
    """F1: the aggregator is killed again and again while two trainers emit."""
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


def aggregator_late(world: World) -> None:
    """F2: the aggregator comes when the trainer no longer has all in memory, or only after it."""
    world.trainer(events=15_000, pause_s=0.0002, close_s=0.3)
    world.emitted(5000)
    world.pause(0.0, 1.2)
    world.aggregator()


def aggregator_stopped(world: World) -> None:
    """F3: the aggregator is stopped for a while and goes on."""
    aggregator = world.aggregator()
    world.trainer(events=500)
    world.emitted(25)
    aggregator.send_signal(signal.SIGSTOP)
    world.pause(0.1, 2.5)
    aggregator.send_signal(signal.SIGCONT)


def trainer_killed(world: World) -> None:
    """F4: the trainer is killed and started again under its name, in the middle of a burst or of calm."""
    world.aggregator()
    for pause_s in (0.0, 0.002):
        trainer = world.trainer(events=200_000, pause_s=pause_s)
        world.emitted(1)
        world.pause(0.0, 0.15)
        world.kill(trainer)
    world.trainer(events=50)


def trainer_crashes(world: World) -> None:
    """F4: trainers die in `emit`, in the middle of a write, and between writing and sending."""
    world.aggregator()
    for number, point in enumerate(TRAINER_POINTS):
        count = world.rng.randint(2, 20)
        world.trainer(f"trainer:{number}", events=10_000, sabotage=(point, count))
    assert all(world.ended(trainer) < 0 for trainer in world.trainers), world.output()


def trainer_killed_with_workers(world: World) -> None:
    """F5: the trainer is killed while its forked workers live on."""
    trainer = world.trainer(events=100_000, fork=True)
    world.emitted(25)
    world.pause(0.0, 0.3)
    world.kill(trainer)


def both_killed(world: World) -> None:
    """F6: both are killed, and started again in either order."""
    aggregator, trainer = world.aggregator(), world.trainer(events=100_000)
    world.emitted(50)
    world.pause(0.0, 0.3)
    for process in world.rng.sample([aggregator, trainer], 2):
        world.kill(process)
    for start in world.rng.sample([world.aggregator, lambda: world.trainer(events=100)], 2):
        start()


def network(world: World) -> None:
    """F7: connections are reset, held back, swallowed and refused, one after another."""
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
    """F8: the spool cannot grow any more; events go on from memory, or are counted."""
    world.aggregator()
    world.trainer(
        events=500, file_bytes=world.rng.randint(HEAD_BYTES + 2_000, HEAD_BYTES + 30_000), close_s=5.0
    )


def directory_deleted(world: World) -> None:
    """F8: somebody removes the spools while the trainer writes them."""
    world.aggregator()
    world.trainer(events=300)
    world.emitted(25)
    world.pause(0.0, 0.2)
    shutil.rmtree(world.run_dir / "spool")


def files_exhausted(world: World) -> None:
    """F11: the trainer has no descriptor left, while the aggregator is killed and comes back."""
    aggregator = world.aggregator()
    trainer = world.trainer(events=300, exhaust_files=True)
    world.emitted(50)
    world.kill(aggregator)
    world.aggregator()
    assert world.ended(trainer) == 0, world.output()


def doubles(world: World) -> None:
    """F13: a second aggregator is refused; two trainers of one name are two streams."""
    world.aggregator()
    second = world.aggregator(wait=False)
    world.trainer("trainer:0")
    world.trainer("trainer:0")
    assert world.ended(second) == 1, world.output()
    assert "already serves" in world.output()


def viewers(world: World) -> None:
    """F14: viewers that never read, and viewers that come and go."""
    world.aggregator()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        idle = [_subscribe(context, world) for _ in range(10)]
        world.trainer(events=400)
        world.emitted(1)
        for _ in range(20):
            _subscribe(context, world).close(linger=0)
            world.pause(0.0, 0.03)
        assert all(subscriber.poll(1000) for subscriber in idle), "a viewer was sent nothing"
    finally:
        context.destroy(linger=0)


def _subscribe(context: "zmq.Context[zmq.Socket[bytes]]", world: World) -> "zmq.Socket[bytes]":
    subscriber = context.socket(zmq.SUB)
    subscriber.setsockopt(zmq.RCVHWM, 1)
    subscriber.connect(world.endpoints.snapshots)
    subscriber.subscribe(b"")
    return subscriber


def hostile_peers(world: World) -> None:
    """F15: random frames, raw bytes, floods of subscriptions and messages that are too large."""
    world.aggregator()
    world.trainer(events=400)
    world.emitted(1)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        dealer, subscriber = context.socket(zmq.DEALER), context.socket(zmq.XSUB)
        dealer.connect(world.endpoints.ingest)
        subscriber.connect(world.endpoints.snapshots)
        for _ in range(2000):
            frames = [world.rng.randbytes(world.rng.randint(0, 60)) for _ in range(world.rng.randint(1, 4))]
            frames[0] = world.rng.choice([b"H\x01", b"D\x01", b"P\x01", b"B\x01", b"H\x02", frames[0]])
            _offer(dealer, frames)
            _offer(subscriber, [world.rng.choice([b"\x01", b"\x00", b""]) + world.rng.randbytes(9)])
        _offer(dealer, [bytes(20 * 1024 * 1024)])
        _raw_bytes(world)
        world.pause(0.2, 0.3)
    finally:
        context.destroy(linger=0)


def _offer(peer: "zmq.Socket[bytes]", frames: list[bytes]) -> None:
    if peer.poll(100, zmq.POLLOUT):
        peer.send_multipart(frames, zmq.DONTWAIT)


def _raw_bytes(world: World) -> None:
    for name in ("ingest", "snapshots"):
        for _ in range(10):
            with socket.socket(socket.AF_UNIX) as plain:
                plain.connect(str(world.home / "s" / name))
                try:
                    plain.sendall(world.rng.randbytes(world.rng.randint(0, 3000)))
                except OSError:
                    continue


def overload(world: World) -> None:
    """F17: far more than can be handled, in a queue that is too small, and then calm."""
    world.aggregator()
    bounds = {"max_events": world.rng.choice([500, 65_536])}
    world.trainer(events=20_000, pause_s=0.0, bounds=bounds, close_s=20.0)


def exits(world: World) -> None:
    """F18: every way in which a program ends, with events still in the queue."""
    world.aggregator()
    ways = ["exit", "exception", "thread", "_exit", "SIGTERM", "SIGINT"]
    for number, way in enumerate(world.rng.sample(ways, 3)):
        world.trainer(f"trainer:{number}", events=300, pause_s=0.0, exit=way)


SCENARIOS: dict[str, Callable[[World], None]] = {
    "F1 aggregator killed": aggregator_killed,
    "F1 aggregator crashes": aggregator_crashes,
    "F2 aggregator late": aggregator_late,
    "F3 aggregator stopped": aggregator_stopped,
    "F4 trainer killed": trainer_killed,
    "F4 trainer crashes": trainer_crashes,
    "F5 trainer killed, workers live": trainer_killed_with_workers,
    "F6 both killed": both_killed,
    "F7 network": network,
    "F8 disk full": disk_full,
    "F8 directory deleted": directory_deleted,
    "F11 files exhausted": files_exhausted,
    "F13 doubles": doubles,
    "F14 viewers": viewers,
    "F15 hostile peers": hostile_peers,
    "F17 overload": overload,
    "F18 exits": exits,
}

OVER_TCP = [name for name in SCENARIOS if name.split()[0] in ("F1", "F4", "F7")]
"""Those that the tests also play over tcp with keys; the soak does it with all."""


def play(name: str, seed: int, transport: str = "ipc") -> list[str]:
    """Let one fault happen, and judge what is left behind: the faults found, none if all is well."""
    world = World(seed, transport)
    try:
        SCENARIOS[name](world)
        return world.finish()
    except AssertionError as error:
        return [str(error)]
    finally:
        world.close()
