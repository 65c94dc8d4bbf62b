"""Rollout steps and updates can be captured as CUDA graphs.

A graph replays the same kernels on the same memory with the same constants. So a step must dispatch the same
operations every time, keep its state in place, and copy nothing from the host. These conditions are tested on
the CPU, where the same code runs.
"""

from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.device.cuda_graphs import WARM_UP, CapturedGraph, GraphCapture, root_cause
from esper_trainer.device.static_buffers import leaves
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.distributions import sample
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.rollout_collector import RolloutCollector

CPU = torch.device("cpu")
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=6)
SETTINGS = {"environments": 4, "hidden_size": 16, "target_kl": 0.0, "value_normalisation": "popart"}
LEVELS = list(TelemetryLevel)


class Parts:
    """Environment, policy, collector and PPO on any device."""

    def __init__(self, device=CPU, graphs=None, minibatches=2):
        self.graphs = graphs or GraphCapture(device)
        self.environment = MorphEnvironment(4, SHORT, seed=0, device=device)
        self.policy = Tamiyo(116, 16, seed=0).to(device)
        constants = action_layout(device)
        self.collector = RolloutCollector(
            self.policy, self.environment, constants, seed=1, graphs=self.graphs
        )
        config = TrainingConfig(minibatches=minibatches, **SETTINGS)
        self.ppo = PPO(self.policy, constants, self.environment.action_masks().choices, config)

    def update(self, level):
        """One update, with everything that the level measures."""
        return self.ppo.update(self.collector.transitions, level, self.collector.environment_rewards)

    def memory(self):
        """The addresses of all tensors that outlive a step or an update."""
        held = [
            *leaves(self.environment._state),
            *(value for value in vars(self.environment.population).values() if torch.is_tensor(value)),
            *leaves([self.environment.population.weights, self.environment.population.momentum]),
            *leaves(
                [
                    self.collector.transitions,
                    self.collector.environment_rewards,
                    self.collector._slots,
                    self.collector._state,
                    self.collector._time,
                ]
            ),
            *self.policy.parameters(),
            *self.policy.buffers(),
            *self.ppo.optimiser.state_dict().values(),
        ]
        return [tensor.data_ptr() for tensor in held]


class _Operations(TorchDispatchMode):
    """Records every operation with the shapes and numbers that it received."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "aten":  # not the markers of torch's own profiler
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


def operations(function):
    """The operations that one call dispatches."""
    with _Operations() as mode:
        function()
    return mode.seen


@contextmanager
def nothing_from_the_host():
    """Fails if a constant is made on the host: it would be copied to the device, which a graph cannot do."""
    with _Operations() as mode:
        yield
    constants = [seen for seen in mode.seen if seen.startswith("aten.lift_fresh")]
    assert constants == []


class TestRollout:
    """One step of the rollout."""

    def test_every_step_dispatches_the_same_operations(self):
        """Operations depend neither on the time step nor on actions or data."""
        parts = Parts()
        parts.collector.reset()
        first, *others = [operations(parts.collector.step) for _ in range(SHORT.horizon)]

        assert len(first) > 300
        assert all(other == first for other in others)

    @pytest.mark.slow
    def test_its_state_keeps_its_memory(self):
        """Addresses do not change across steps and episodes."""
        parts = Parts()
        before = parts.memory()

        for _ in range(2):
            parts.collector.collect(lambda: None)

        assert parts.memory() == before

    @pytest.mark.slow
    def test_it_copies_nothing_from_the_host(self):
        """Every constant is on the device already."""
        parts = Parts()
        parts.collector.reset()

        with nothing_from_the_host():
            parts.collector.step()

    def test_it_equals_a_plain_loop_bit_for_bit(self):
        """The loop passes states from step to step without buffers."""
        parts, twin = Parts(), Parts()
        twin.environment.reset()
        state, constants = twin.policy.initial_state(4), action_layout(CPU)

        rollout = parts.collector.collect(lambda: None).transitions

        for step in range(SHORT.horizon):
            observations, legality = twin.environment.observe(), twin.environment.action_masks()
            with torch.no_grad():
                output = twin.policy(observations.unsqueeze(0), state)
            choice = sample(
                output.logits,
                legality.op,
                legality.slot_by_op,
                legality.choices,
                constants,
                twin.collector.generator,
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
    """A whole update at each telemetry level."""

    @pytest.fixture
    def parts(self, minibatches):
        """One rollout and one update have been made, so that Adam has moments."""
        parts = Parts(minibatches=minibatches)
        parts.collector.collect(lambda: None)
        parts.ppo.update(parts.collector.transitions)
        return parts

    @pytest.mark.slow
    def test_every_update_dispatches_the_same_operations(self, parts, level):
        """This holds even for a rollout with a NaN reward, whose optimiser steps are skipped."""
        first = operations(lambda: parts.update(level))
        parts.collector.collect(lambda: None)
        parts.collector.transitions.rewards[2, 1] = torch.nan
        second = operations(lambda: parts.update(level))

        assert first == second

    def test_its_state_keeps_its_memory(self, parts, level):
        """This covers parameters, moments, and the statistics of PopArt."""
        before = parts.memory()

        parts.update(level)

        assert parts.memory() == before

    def test_it_copies_nothing_from_the_host(self, parts, level):
        """Scheduled coefficients are tensors that were filled before."""
        with nothing_from_the_host():
            parts.update(level)


def test_the_lint_finds_constants():
    """It finds tensors made from lists, and indexing by a list."""
    for constant in (lambda: torch.tensor([1.0]), lambda: torch.ones(3)[[0, 1]]):
        with pytest.raises(AssertionError), nothing_from_the_host():
            constant()


class TestFallback:
    """If nothing can be captured, functions are called and the reason is reported once."""

    @pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA works here")
    def test_without_cuda_functions_run_and_the_reason_is_reported(self):
        """There is one warning for all calls."""
        warnings, calls = [], []
        captured = CapturedGraph("count", lambda: calls.append(1) or len(calls), warn=warnings.append)

        assert [captured() for _ in range(WARM_UP + 2)] == [1, 2, 3, 4]
        assert len(warnings) == 1
        expected = "CUDA graphs are disabled for the count; its kernels are launched one by one: "
        assert warnings[0].startswith(expected)

    def test_a_refusal_is_reported_at_the_first_call(self):
        """Construction alone reports nothing."""
        warnings = []
        captured = CapturedGraph("sum", lambda: 3, warn=warnings.append, refusal="there are others.")
        assert warnings == []

        assert [captured(), captured()] == [3, 3]
        assert warnings == [
            "CUDA graphs are disabled for the sum; its kernels are launched one by one: there are others."
        ]

    def test_an_error_of_the_function_is_raised(self):
        """It is not reported as a failed capture."""

        def function():
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            CapturedGraph("fault", function, refusal="so.")()

    def test_on_the_cpu_nothing_is_captured_or_reported(self):
        """`wrap` returns the function itself."""
        warnings = []
        function = GraphCapture(CPU, warnings.append).wrap("work", lambda: 3)

        assert function() == 3
        assert warnings == []

    @pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA works here")
    def test_a_failed_capture_disables_all_graphs(self):
        """The others may draw from the same generators and would repeat numbers."""
        warnings = []
        graphs = GraphCapture(torch.device("cuda"), warnings.append)
        first, second = (graphs.wrap(name, lambda name=name: name) for name in ("first", "second"))

        assert first._capture_and_replay(None) == "first"
        assert [second(), first(), second()] == ["second", "first", "second"]
        assert len(warnings) == 2
        assert warnings[1] == warnings[0].replace("first", "second")

    def test_the_reason_is_the_first_error_of_a_chain(self):
        """The end of a failed capture only says that there was a previous error."""

        def recording():
            try:
                raise ValueError("a host read")
            finally:
                raise RuntimeError("a previous error")

        with pytest.raises(RuntimeError) as caught:
            recording()

        assert root_cause(caught.value) == "a host read"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
class TestCuda:
    """Capture and replay on a CUDA device."""

    def learner(self, *, enabled):
        """Parts and updates of all levels, with capture enabled or not."""
        device, warnings = torch.device("cuda", 0), []
        graphs = GraphCapture(device, warnings.append, enabled=enabled)
        parts = Parts(device, graphs)
        updates = [
            graphs.wrap(
                level.name,
                lambda level=level: parts.update(level),
                [parts.ppo.generator],
            )
            for level in LEVELS
        ]
        return parts, updates, warnings

    def test_replayed_equals_launched(self):
        """Rollouts, metrics and parameters agree to float32 precision over warm-up, capture and replays."""
        ours, twins = self.learner(enabled=True), self.learner(enabled=False)
        for _ in range(WARM_UP + 3):
            for one, other in zip(ours[1], twins[1], strict=True):
                for parts in (ours[0], twins[0]):
                    parts.collector.collect(lambda: None)
                torch.testing.assert_close(ours[0].collector.transitions, twins[0].collector.transitions)
                torch.testing.assert_close(one(), other(), rtol=1e-3, atol=1e-4, equal_nan=True)
        assert ours[2] == []
        for one, other in zip(ours[0].policy.parameters(), twins[0].policy.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)

    def test_nothing_waits_after_the_warm_up(self, no_waiting):
        """Neither a step, captured or not, nor an update synchronises."""
        for enabled in (True, False):
            parts, updates, _ = self.learner(enabled=enabled)
            for _ in range(WARM_UP + 1):
                parts.collector.collect(lambda: None)
                for update in updates:
                    update()
            parts.collector.reset()
            with no_waiting():
                parts.collector._step()
                for update in updates:
                    update()

    def test_a_function_that_cannot_be_captured_is_called(self):
        """A host read is reported, not raised; random numbers and the current stream are unaffected."""
        warnings, before = [], torch.cuda.current_stream()
        generator, twin = (torch.Generator("cuda").manual_seed(5) for _ in range(2))

        def draw(source):
            return torch.rand((), generator=source, device="cuda").item()

        captured = CapturedGraph("reader", lambda: draw(generator), [generator], warnings.append)

        assert [captured() for _ in range(WARM_UP + 2)] == [draw(twin) for _ in range(WARM_UP + 2)]
        assert torch.equal(generator.get_state(), twin.get_state())
        assert torch.cuda.current_stream() == before
        assert len(warnings) == 1
