"""What is recorded as CUDA graphs can be: on the CPU the same code runs, and is held to what a graph needs.

A graph replays the same kernels on the same memory with the same constants. So a step has to dispatch the
same operations every time, keep its state where it is, and bring nothing from the host.
"""

from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.device.cuda_graphs import WARM_UP, GraphRecorder, RecordedGraph, why
from esper_trainer.device.static_buffers import leaves
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import layout
from esper_trainer.model.distributions import sample
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.rollout_collector import Player

CPU = torch.device("cpu")
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=6)
SETTINGS = {"environments": 4, "hidden_size": 16, "target_kl": 0.0, "value_normalisation": "popart"}
LEVELS = list(TelemetryLevel)


class Parts:
    """What plays and what learns, on any device."""

    def __init__(self, device=CPU, recorder=None, minibatches=2):
        self.recorder = recorder or GraphRecorder(device)
        self.environment = MorphEnvironment(4, SHORT, seed=0, device=device)
        self.policy = Tamiyo(116, 16, seed=0).to(device)
        constants = layout(device)
        self.player = Player(self.policy, self.environment, constants, seed=1, recorder=self.recorder)
        config = TrainingConfig(minibatches=minibatches, **SETTINGS)
        self.ppo = PPO(self.policy, constants, self.environment.legality().choices, config)

    def memory(self):
        """Where everything lies that outlives a step or an update."""
        held = [
            *leaves(self.environment._state),
            *(value for value in vars(self.environment._population).values() if torch.is_tensor(value)),
            *leaves([self.environment._population._weights, self.environment._population._momentum]),
            *leaves([self.player.rollout, self.player._slots, self.player._state, self.player._time]),
            *self.policy.parameters(),
            *self.policy.buffers(),
            *self.ppo.optimiser.state().values(),
        ]
        return [tensor.data_ptr() for tensor in held]


class _Operations(TorchDispatchMode):
    """Writes down every operation with the shapes and the numbers that it got."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "aten":  # not the marks that torch's own profiler looks for
            self.seen.append(f"{func} {[_described(arg) for arg in (*args, *(kwargs or {}).values())]}")
        return func(*args, **(kwargs or {}))


def _described(argument):
    if isinstance(argument, torch.Tensor):
        return f"{argument.dtype}{list(argument.shape)}"
    if isinstance(argument, torch.Generator):
        return "generator"
    if isinstance(argument, (list, tuple)):
        return [_described(part) for part in argument]
    return argument


def operations(work):
    """What one call dispatches."""
    with _Operations() as mode:
        work()
    return mode.seen


@contextmanager
def nothing_from_the_host():
    """A constant that is made on the host would be copied to the device, which no graph can do."""
    with _Operations() as mode:
        yield
    constants = [seen for seen in mode.seen if seen.startswith("aten.lift_fresh")]
    assert constants == []


class TestRollout:
    """One step of the rollout."""

    def test_every_step_dispatches_the_same_operations(self):
        """Whatever was chosen and whatever happened: nothing depends on the time, nor on data."""
        parts = Parts()
        parts.player.begin()
        first, *others = [operations(parts.player.step) for _ in range(SHORT.horizon)]

        assert len(first) > 300
        assert all(other == first for other in others)

    def test_it_stays_where_it_is(self):
        """Over steps, and over episodes."""
        parts = Parts()
        before = parts.memory()

        for _ in range(2):
            parts.player.play(lambda: None)

        assert parts.memory() == before

    def test_it_brings_nothing_from_the_host(self):
        """Every constant was on the device before."""
        parts = Parts()
        parts.player.begin()

        with nothing_from_the_host():
            parts.player.step()

    def test_it_is_what_a_plain_loop_plays_bit_for_bit(self):
        """A loop that hands states from step to step, without buffers."""
        parts, twin = Parts(), Parts()
        twin.environment.reset()
        state, constants = twin.policy.initial_state(4), layout(CPU)

        rollout = parts.player.play(lambda: None).rollout

        for step in range(SHORT.horizon):
            observations, legality = twin.environment.observe(), twin.environment.legality()
            with torch.no_grad():
                output = twin.policy(observations.unsqueeze(0), state)
            choice = sample(
                output.logits,
                legality.op,
                legality.slot_by_op,
                legality.choices,
                constants,
                twin.player.generator,
            )
            outcome, state = twin.environment.step(choice.actions), output.state
            assert torch.equal(rollout.observations[step], observations)
            assert torch.equal(rollout.actions[step], choice.actions)
            assert torch.equal(rollout.log_probs[step], choice.log_probs)
            assert torch.equal(rollout.values[step], output.values)
            assert torch.equal(rollout.rewards[step], outcome.reward)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("minibatches", [1, 2])
class TestUpdate:
    """A whole update, of each telemetry level."""

    @pytest.fixture
    def parts(self, minibatches):
        """An episode was played, and one update made, in which Adam gets its moments."""
        parts = Parts(minibatches=minibatches)
        parts.player.play(lambda: None)
        parts.ppo.update(parts.player.rollout)
        return parts

    def test_every_update_dispatches_the_same_operations(self, parts, level):
        """Also of a rollout that is not finite, of which no step is taken."""
        first = operations(lambda: parts.ppo.update(parts.player.rollout, level))
        parts.player.play(lambda: None)
        parts.player.rollout.rewards[2, 1] = torch.nan
        second = operations(lambda: parts.ppo.update(parts.player.rollout, level))

        assert first == second

    def test_it_stays_where_it_is(self, parts, level):
        """Parameters, moments, and what PopArt moves."""
        before = parts.memory()

        parts.ppo.update(parts.player.rollout, level)

        assert parts.memory() == before

    def test_it_brings_nothing_from_the_host(self, parts, level):
        """Rates are tensors that were filled before."""
        with nothing_from_the_host():
            parts.ppo.update(parts.player.rollout, level)


def test_the_lint_sees_constants():
    """Of lists, and of indices that are lists."""
    for constant in (lambda: torch.tensor([1.0]), lambda: torch.ones(3)[[0, 1]]):
        with pytest.raises(AssertionError), nothing_from_the_host():
            constant()


class TestFallback:
    """Where nothing can be recorded, work is done all the same, and once it is said why."""

    @pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA works here")
    def test_without_cuda_work_runs_and_the_reason_is_told(self):
        """In torch's words."""
        told, calls = [], []
        recorded = RecordedGraph("count", lambda: calls.append(1) or len(calls), told=told.append)

        assert [recorded() for _ in range(WARM_UP + 2)] == [1, 2, 3, 4]
        assert len(told) == 1
        assert told[0].startswith("The count is not replayed as a CUDA graph but launched step by step: ")

    def test_a_refusal_is_told_when_the_work_is_done(self):
        """Not before, when nobody listens yet."""
        told = []
        recorded = RecordedGraph("sum", lambda: 3, told=told.append, refusal="there are others.")
        assert told == []

        assert [recorded(), recorded()] == [3, 3]
        assert told == [
            "The sum is not replayed as a CUDA graph but launched step by step: there are others."
        ]

    def test_what_fails_in_the_work_is_raised(self):
        """It is no fault of the recording."""

        def work():
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            RecordedGraph("fault", work, refusal="so.")()

    def test_the_cpu_is_not_worth_a_word(self):
        """There is nothing to record, so that the work itself is handed out."""
        told = []
        work = GraphRecorder(CPU, told.append).replayable("work", lambda: 3)

        assert work() == 3
        assert told == []

    @pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA works here")
    def test_after_a_failed_recording_nothing_else_of_the_recorder_is_replayed(self):
        """The others may draw from the same generators, and would repeat what was drawn."""
        told = []
        recorder = GraphRecorder(torch.device("cuda"), told.append)
        first, second = (recorder.replayable(name, lambda name=name: name) for name in ("first", "second"))

        assert first._recorded(None) == "first"
        assert [second(), first(), second()] == ["second", "first", "second"]
        assert len(told) == 2
        assert told[1] == told[0].replace("first", "second")

    def test_what_went_wrong_first_is_the_reason(self):
        """Where the end of the recording only says that something did."""

        def recording():
            try:
                raise ValueError("a host read")
            finally:
                raise RuntimeError("a previous error")

        with pytest.raises(RuntimeError) as caught:
            recording()

        assert why(caught.value) == "a host read"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
class TestCuda:
    """The real thing."""

    def learner(self, *, wanted):
        """Everything recorded or nothing, in updates of all levels."""
        device, told = torch.device("cuda", 0), []
        recorder = GraphRecorder(device, told.append, wanted=wanted)
        parts = Parts(device, recorder)
        updates = [
            recorder.replayable(
                level.name,
                lambda level=level: parts.ppo.update(parts.player.rollout, level),
                [parts.ppo.generator],
            )
            for level in LEVELS
        ]
        return parts, updates, told

    def test_recorded_equals_launched(self):
        """Rollouts, rows and parameters to float32's precision, over warm-up, recording and replays."""
        ours, twins = self.learner(wanted=True), self.learner(wanted=False)
        for _ in range(WARM_UP + 3):
            for one, other in zip(ours[1], twins[1], strict=True):
                for parts in (ours[0], twins[0]):
                    parts.player.play(lambda: None)
                torch.testing.assert_close(ours[0].player.rollout, twins[0].player.rollout)
                torch.testing.assert_close(one(), other(), rtol=1e-3, atol=1e-4, equal_nan=True)
        assert ours[2] == []
        for one, other in zip(ours[0].policy.parameters(), twins[0].policy.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)

    def test_nothing_waits_after_the_warm_up(self, no_waiting):
        """Neither a step, recorded or not, nor an update."""
        for wanted in (True, False):
            parts, updates, _ = self.learner(wanted=wanted)
            for _ in range(WARM_UP + 1):
                parts.player.play(lambda: None)
                for update in updates:
                    update()
            parts.player.begin()
            with no_waiting():
                parts.player._step()
                for update in updates:
                    update()

    def test_what_cannot_be_recorded_is_launched(self):
        """A host read inside is no error, but is told; what is drawn and where kernels go stays the same."""
        told, before = [], torch.cuda.current_stream()
        generator, twin = (torch.Generator("cuda").manual_seed(5) for _ in range(2))

        def draw(source):
            return torch.rand((), generator=source, device="cuda").item()

        recorded = RecordedGraph("reader", lambda: draw(generator), [generator], told.append)

        assert [recorded() for _ in range(WARM_UP + 2)] == [draw(twin) for _ in range(WARM_UP + 2)]
        assert torch.equal(generator.get_state(), twin.get_state())
        assert torch.cuda.current_stream() == before
        assert len(told) == 1
