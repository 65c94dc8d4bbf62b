"""Both ends of the protocol over a network that loses, duplicates and delays messages, against a list."""

from collections import Counter, defaultdict, deque

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esper_aggregator.fold.fold import fold, fold_all
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import decode_state, encode_state
from esper_bus.emit.emit_queue import EmitQueue
from esper_bus.emit.resend_buffer import ResendBuffer
from esper_bus.limits import CREDIT_EVENTS
from esper_bus.protocol.frames import Data, Hello, encode, parse
from esper_bus.protocol.producer_link import ProducerLink
from esper_bus.protocol.receiver import Receiver
from esper_bus.records import Batch, RawRecord, StreamKey
from esper_schemas.codec import decode_event, encode_event, encode_snapshot
from esper_schemas.events import EpisodeCompleted, EventsDropped, PPOUpdateCompleted
from esper_schemas.payload import PPOUpdatePayload

PRODUCERS = ("host:0", "host:1", "host:2")
TRAINERS = st.integers(0, len(PRODUCERS) - 1)
QUEUE_EVENTS = 4500
"""Between the credit, so that a trainer can exceed that, and the largest number that is emitted at once."""


def event(number):
    """A small event of a kind that changes the fold's state."""
    if number % 7 == 3:
        return PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(policy_loss=number / 7))
    return EpisodeCompleted(environment=0, episode=number, episode_return=number / 3, length=9)


class Connection:
    """One connection: messages on the way, in order, in each direction."""

    def __init__(self, name):
        self.name = name
        self.up = deque()
        self.down = deque()


class Trainer:
    """A producer's end with its queue, which may be full, and its spool, which has all other events."""

    def __init__(self, key, now):
        self.key = key
        self.queue = EmitQueue(QUEUE_EVENTS, 10**8)
        self.emitted = []
        self.buffer = ResendBuffer(self._read)
        self.link = ProducerLink(key, self.buffer, now)
        self.connections = []

    def _read(self, first, max_events, max_bytes):
        return Batch(first, self.emitted[first : first + max_events])

    def emit(self, count):
        """Emit some events at once; events that find no room in the queue are reported behind the others."""
        for number in range(self.queue.offered, self.queue.offered + count):
            self.queue.put(event(number))
        while taken := self.queue.take():
            self._store(taken)
        self.queue.account(0, 0)
        losses = self.queue.losses()
        if losses is not None:
            self._store([(1, encode_event(losses))])

    def _store(self, events):
        self.emitted += events
        self.buffer.append(events)
        self.buffer.mark_safe(len(self.emitted))

    @property
    def spool(self):
        """What a reader of the spool file finds."""
        return [RawRecord(self.key, seq, 1, 1, data) for seq, (_, data) in enumerate(self.emitted)]

    def forget(self, keep):
        """Act as if memory were small: the older events are only in the spool."""
        while len(self.buffer._recent) > keep:
            self.buffer._recent.popleft()


class Network(RuleBasedStateMachine):
    """Some trainers and one aggregator, all of which may die, and the connections between them."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.names = iter(range(10**6))
        self.agg_epoch = 0
        self.epochs = iter(range(7, 10**6))
        self.log = defaultdict(list)  # flushed
        self.checked = Counter()  # number of compared events of each log, which only grows
        self.order = []  # the same events of all streams
        self.unflushed = []
        self.dead = []
        self.checkpoint = encode_state(RunState()), 0
        self.again = RunState()  # folded from the log alone, in whole flushes
        self.folded = 0

    @initialize()
    def begin(self):
        """Connect all trainers to a first aggregator."""
        self.trainers = [self.trainer(producer) for producer in PRODUCERS]
        self.restart()

    def trainer(self, producer):
        """A new start of a producer."""
        return Trainer(StreamKey("run", producer, next(self.epochs)), self.now)

    def restart(self):
        """A new aggregator that knows only its log, and a checkpoint of its fold."""
        self.agg_epoch += 1
        self.unflushed = []
        self.bound = {}  # the connection of the last HELLO of each epoch
        self.duplicates = 0
        state, position = self.checkpoint
        self.live = fold_all((record.decoded() for record in self.order[position:]), decode_state(state))
        self.receiver = Receiver(self.agg_epoch, self.recover)
        for trainer in self.trainers:
            self.connect(trainer)

    def recover(self, run):
        """What the aggregator reads from its log."""
        return {key: self.log[key][-1].seq + 1 for key in self.log if key.run == run and self.log[key]}

    def connect(self, trainer):
        """A new connection; what was on the way on the old one may still arrive."""
        trainer.connections = [*trainer.connections[-1:], Connection(b"%d" % next(self.names))]

    @rule(which=TRAINERS, count=st.integers(1, 30) | st.sampled_from([30, 30, 2500, 5000]))
    def emit(self, which, count):
        """A trainer emits, unless it has sent BYE."""
        if not self.trainers[which].link._bye_sent:
            self.trainers[which].emit(count)

    @rule(which=TRAINERS, keep=st.integers(1, 20))
    def outgrow_memory(self, which, keep):
        """Older events have to be read from the spool."""
        self.trainers[which].forget(keep)

    @rule(which=TRAINERS, messages=st.integers(1, 4))
    def send(self, which, messages):
        """A trainer sends its next messages."""
        trainer = self.trainers[which]
        for _ in range(messages):
            message = trainer.link.next_message(self.now)
            if message is not None:
                trainer.connections[-1].up.append(encode(message))

    @rule(which=TRAINERS, old=st.booleans(), count=st.integers(1, 4))
    def arrive(self, which, old, count):
        """Messages arrive at the aggregator, perhaps from a connection that was replaced."""
        connection = self.trainers[which].connections[0 if old else -1]
        for _ in range(min(count, len(connection.up))):
            frames = connection.up.popleft()
            self.account(connection.name, parse(frames))
            self.take(self.receiver.receive(connection.name, frames, self.now, 1))
        self.answer()

    def account(self, name, message):
        """Count the duplicate events on a connection whose HELLO was received."""
        if isinstance(message, Hello):
            self.bound[message.epoch] = name
        elif isinstance(message, Data) and self.bound.get(message.epoch) == name:
            (key,) = (trainer.key for trainer in self.all_trainers() if trainer.key.epoch == message.epoch)
            known = self.known(key)
            self.duplicates += min(max(0, known - message.batch.first), len(message.batch.entries))

    def known(self, key):
        """How many events of a stream the aggregator has, flushed or not."""
        return len(self.log[key]) + sum(record.stream == key for record in self.unflushed)

    def take(self, records):
        """The aggregator folds at once what it will flush."""
        self.unflushed += records
        for record in records:
            fold(self.live, record.decoded())

    def answer(self):
        """The aggregator sends its answers."""
        by_name = {c.name: c for trainer in self.trainers for c in trainer.connections}
        for peer, frames in self.receiver.take_answers():
            if peer in by_name:
                by_name[peer].down.append(frames)

    @rule(which=TRAINERS, old=st.booleans(), count=st.integers(1, 4))
    def return_(self, which, old, count):
        """Messages arrive at a trainer."""
        trainer = self.trainers[which]
        connection = trainer.connections[0 if old else -1]
        for _ in range(min(count, len(connection.down))):
            trainer.link.receive(parse(connection.down.popleft()), self.now)

    @rule()
    def flush(self):
        """The aggregator flushes its log and acknowledges."""
        self.order += self.unflushed
        for record in self.unflushed:
            self.log[record.stream].append(record)
        self.unflushed = []
        self.receiver.mark_flushed()
        self.answer()

    @rule(which=TRAINERS, seconds=st.sampled_from([0.0, 1.1]), flush=st.booleans())
    def exchange(self, which, seconds, flush):
        """Nothing is lost for a moment, perhaps with a PING; the log is flushed meanwhile or not."""
        self.wait(seconds)
        self.send(which, 4)
        self.arrive(which, False, 100)
        if flush:
            self.flush()
        self.return_(which, False, 100)

    @rule(which=TRAINERS, count=st.sampled_from([3, 3, 5000]), kill=st.booleans())
    def stall(self, which, count, kill):
        """The log cannot be written for a while; then the aggregator may die."""
        for _ in range(2):
            self.exchange(which, 0.0, flush=False)
        self.emit(which, count)
        for _ in range(4):
            self.exchange(which, 1.1, flush=False)
            self.acknowledged_is_logged()
        self.memory_is_bounded()
        if kill:
            self.restart()

    @rule(which=TRAINERS)
    def send_bye(self, which):
        """A trainer has nothing more to send."""
        trainer = self.trainers[which]
        message = trainer.link.bye()
        if message is not None:
            trainer.connections[-1].up.append(encode(message))

    @rule(which=TRAINERS)
    def receive_twice(self, which):
        """Events arrive, are logged, and arrive once more."""
        self.exchange(which, 1.1, flush=True)
        self.emit(which, 3)
        self.send(which, 4)
        connection = self.trainers[which].connections[-1]
        connection.up.extend(list(connection.up))
        self.arrive(which, False, 100)
        self.flush()
        self.return_(which, False, 100)

    @rule(which=TRAINERS)
    def miss_one(self, which):
        """The first of two messages is lost, which only the second one shows."""
        self.exchange(which, 1.1, flush=True)
        connection = self.trainers[which].connections[-1]
        for count in (3, 2):
            connection.up.clear()
            self.emit(which, count)
            self.send(which, 4)
        self.arrive(which, False, 100)
        self.flush()
        self.return_(which, False, 100)
        self.exchange(which, 0.0, flush=True)

    @rule(which=TRAINERS)
    def receive_late(self, which):
        """An ACK sent before the aggregator's machine failed arrives after a message of its successor."""
        self.exchange(which, 1.1, flush=True)
        self.emit(which, 5)
        self.send(which, 4)
        self.arrive(which, False, 100)
        self.flush()
        self.lose_power(3)
        self.exchange(which, 2.5, flush=False)
        self.return_(which, True, 100)
        self.acknowledged_is_logged()

    @rule(which=TRAINERS)
    def leave_early(self, which):
        """A trainer that sends BYE while its last events are not acknowledged has not finished."""
        self.exchange(which, 1.1, flush=True)
        self.emit(which, 4)
        self.send(which, 4)
        self.trainers[which].connections[-1].up.clear()
        self.send_bye(which)
        self.exchange(which, 1.1, flush=True)
        self.acknowledged_is_logged()

    @rule(which=TRAINERS)
    def leave_unaware(self, which):
        """A trainer sends BYE before it learns that the aggregator's machine failed and lacks events."""
        self.receive_twice(which)
        self.lose_power(1)
        self.send_bye(which)
        for _ in range(3):
            self.exchange(which, 1.1, flush=True)
            self.acknowledged_is_logged()

    @rule()
    def save(self):
        """A checkpoint of the fold, behind what was flushed."""
        self.flush()
        self.checkpoint = encode_state(self.live), len(self.order)

    @rule(which=TRAINERS, up=st.booleans(), index=st.integers(0, 9))
    def lose(self, which, up, index):
        """A message is lost."""
        connection = self.trainers[which].connections[-1]
        queue = connection.up if up else connection.down
        if index < len(queue):
            del queue[index]

    @rule(which=TRAINERS, up=st.booleans(), index=st.integers(0, 9))
    def duplicate(self, which, up, index):
        """A message arrives once more, behind the others."""
        connection = self.trainers[which].connections[-1]
        queue = connection.up if up else connection.down
        if index < len(queue):
            queue.append(queue[index])

    @rule(which=TRAINERS)
    def cut(self, which):
        """The connection breaks and a new one is made."""
        self.connect(self.trainers[which])

    @rule()
    def kill_aggregator(self):
        """The aggregator is killed, and what it did not flush is lost."""
        self.restart()

    @rule(events=st.sampled_from([1, 2, 30, 600]))
    def lose_power(self, events):
        """The machine of the aggregator fails: the end of the log is lost, although it was acknowledged."""
        del self.order[max(0, len(self.order) - events) :]
        self.log.clear()
        for record in self.order:
            self.log[record.stream].append(record)
        self.checked.clear()
        if self.checkpoint[1] > len(self.order):
            self.checkpoint = encode_state(RunState()), 0
        self.again, self.folded = RunState(), 0
        self.restart()

    @rule(which=TRAINERS)
    def kill_trainer(self, which):
        """A trainer dies and is started again; what is on its way may still arrive."""
        old = self.trainers[which]
        self.dead.append(old)
        self.trainers[which] = self.trainer(old.key.producer)
        self.trainers[which].connections = old.connections[-1:]
        self.connect(self.trainers[which])

    @precondition(lambda self: self.dead)
    @rule(index=st.integers(0, 100), count=st.sampled_from([1, 7, 10_000]))
    def adopt(self, index, count):
        """The aggregator reads a part of a dead trainer's spool, from the end of its log on."""
        spool = self.dead[index % len(self.dead)].spool
        key = self.dead[index % len(self.dead)].key
        known = self.known(key)
        part = spool[max(0, known - 3) : known + count]
        if part:
            self.take(self.receiver.adopt(part))

    @rule(seconds=st.sampled_from([0.01, 0.03, 0.25, 1.1, 2.5, 6.0]))
    def wait(self, seconds):
        """Time passes; a trainer that received nothing for long makes a new connection."""
        self.now += seconds
        for trainer in self.trainers:
            if trainer.link.renewal_due(self.now):
                self.connect(trainer)
                trainer.link.renewed(self.now)

    @precondition(lambda self: hasattr(self, "trainers"))
    @invariant()
    def exactly_once(self):
        """The log holds the first events of each stream, each once, in order, unchanged."""
        for trainer in self.all_trainers():
            log, start = self.log[trainer.key], self.checked[trainer.key]
            logged = [(record.seq, record.data) for record in log[start:]]
            self.checked[trainer.key] = len(log)

            assert logged == [(seq, trainer.emitted[seq][1]) for seq in range(start, len(log))]

    def all_trainers(self):
        """The living and the dead trainers."""
        return [*self.trainers, *self.dead]

    @precondition(lambda self: hasattr(self, "trainers"))
    @invariant()
    def no_other_streams(self):
        """The log holds what was emitted and nothing else."""
        assert {key for key in self.log if self.log[key]} <= {trainer.key for trainer in self.all_trainers()}

    @precondition(lambda self: hasattr(self, "trainers"))
    @invariant()
    def memory_is_bounded(self):
        """While the log cannot be written, no living trainer sends more than its credit."""
        waiting = Counter(record.stream for record in self.unflushed)

        assert all(waiting[trainer.key] <= CREDIT_EVENTS for trainer in self.trainers)

    @precondition(lambda self: hasattr(self, "trainers"))
    @invariant()
    def acknowledged_is_logged(self):
        """What this aggregator has acknowledged to a trainer is in the log."""
        for trainer in self.trainers:
            if trainer.link._agg_epoch == self.agg_epoch:
                assert trainer.link.acked <= len(self.log[trainer.key])
                assert not trainer.link.bye_acknowledged or len(trainer.emitted) == len(self.log[trainer.key])

    @precondition(lambda self: hasattr(self, "trainers"))
    @invariant()
    def arrivals_are_accounted_for(self):
        """Duplicates are counted; no event that exists is counted as lost, and nothing is rejected."""
        counters = self.receiver.counters("run")

        assert (counters.duplicates, counters.gaps, counters.rejected) == (self.duplicates, 0, 0)

    @precondition(lambda self: hasattr(self, "trainers"))
    @invariant()
    def live_is_the_fold_of_the_log(self):
        """It holds after any restarts and checkpoints; the states are compared when all is flushed."""
        if not self.unflushed and self.folded < len(self.order):
            fold_all((record.decoded() for record in self.order[self.folded :]), self.again)
            self.folded = len(self.order)

            assert encode_state(self.live) == encode_state(self.again)

    def check_all(self):
        """Check every invariant, where Hypothesis does not."""
        self.exactly_once()
        self.no_other_streams()
        self.memory_is_bounded()
        self.acknowledged_is_logged()
        self.arrivals_are_accounted_for()
        self.live_is_the_fold_of_the_log()

    def teardown(self):
        """Once nothing is lost any more, everything arrives, and the spools of dead trainers are adopted."""
        if not hasattr(self, "trainers"):
            return
        self.flush()
        for trainer in filter(lambda trainer: trainer.emitted, self.dead):
            self.take(self.receiver.adopt(trainer.spool))
        for _ in range(400):
            if all(len(self.log[trainer.key]) == len(trainer.emitted) for trainer in self.trainers):
                break
            self.wait(0.1)
            for which, trainer in enumerate(self.trainers):
                self.send(which, 10)
                self.arrive(which, False, len(trainer.connections[-1].up))
                self.flush()
                self.return_(which, False, len(trainer.connections[-1].down))
        self.flush()
        self.exactly_once()
        self.nothing_is_missing()
        self.order_of_producers_does_not_matter()

    def nothing_is_missing(self):
        """Each emitted event is in the log, or counted in an `EventsDropped` event of the log."""
        for trainer in self.all_trainers():
            logged = [decode_event(record.data) for record in self.log[trainer.key]]
            dropped = [event.count for event in logged if isinstance(event, EventsDropped)]

            assert len(logged) == len(trainer.emitted)
            assert trainer.queue.offered == len(logged) - len(dropped) + sum(dropped)

    def order_of_producers_does_not_matter(self):
        """The state of each is the same in any order; a fold of the whole log equals the live one."""
        whole = fold_all(record.decoded() for record in self.order)
        sorted_ = fold_all(r.decoded() for r in sorted(self.order, key=lambda record: record.stream.producer))

        assert encode_snapshot(project(whole)) == encode_snapshot(project(self.live))
        assert sorted_.producers == whole.producers


Network.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestNetwork = pytest.mark.slow(Network.TestCase)


WALKS = ("receive_twice", "miss_one", "receive_late", "leave_early", "leave_unaware")


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_keeps_all_invariants(walk):
    """Sequences that random walks reach too seldom, on a network that loses nothing before and after."""
    network = Network()
    network.begin()
    getattr(network, walk)(0)
    network.check_all()
    network.teardown()


def test_nothing_is_acknowledged_before_the_flush():
    """Nor in the answer to a PING: a sequence that random walks reach too seldom."""
    network = Network()
    network.begin()
    network.exchange(0, 0.0, flush=False)
    network.emit(0, 5)
    for _ in range(2):
        network.exchange(0, 1.1, flush=False)

    network.acknowledged_is_logged()
    assert len(network.unflushed) == 5
