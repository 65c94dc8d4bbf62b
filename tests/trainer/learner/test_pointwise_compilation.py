"""The pointwise functions of an update can be compiled."""

import shutil

import pytest

pytest.importorskip("torch")

import torch
from functorch.compile import nop
from torch._dynamo.backends.common import aot_autograd

from esper_bus.store.run_reader import read_records
from esper_schemas.events import LogRecorded, PPOUpdateCompleted
from esper_trainer.config import TrainingConfig
from esper_trainer.learner import pointwise_compilation
from esper_trainer.session import TrainingPlan, record_training


def recorded(run_dir, **settings):
    """The events of a run of two updates."""
    run_dir.mkdir()
    config = TrainingConfig(environments=4, hidden_size=16, threads=1, episodes=2, **settings)
    record_training(TrainingPlan(config, run_dir), False)
    return [record.event for record in read_records(run_dir)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same run without compilation."""
    return recorded(tmp_path_factory.mktemp("plain") / "run")


def updates(events):
    """The completed updates among events."""
    return [event for event in events if isinstance(event, PPOUpdateCompleted)]


def reasons(events):
    """The warnings about compilation."""
    messages = [event.message for event in events if isinstance(event, LogRecorded)]
    return [message for message in messages if "Compilation" in message]


@pytest.fixture
def traced(monkeypatch):
    """Only the front end of torch.compile, which needs no compiler and keeps every bit."""
    monkeypatch.setattr(pointwise_compilation, "BACKEND", "aot_eager")
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def losses(events):
    """The values by which updates are compared."""
    return [
        (event.payload.policy_loss, event.payload.value_loss, event.payload.kl_divergence)
        for event in updates(events)
    ]


@pytest.mark.slow
def test_traced_updates_equal_eager_ones(tmp_path, traced):
    """They are bit-identical, even in minibatches, and no failure is reported."""
    settings = {"minibatches": 2, "telemetry": "debug"}
    plain, compiled = (
        recorded(tmp_path / "a", **settings),
        recorded(tmp_path / "b", compile=True, **settings),
    )

    assert losses(plain) == losses(compiled)
    assert len(updates(compiled)) == 2
    assert reasons(compiled) == []


@pytest.mark.process
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="needs a C++ compiler")
def test_compiled_updates_nearly_equal_eager_ones(tmp_path, plain):
    """A real compiler, as with `--compile`, adds in another order, which changes rounding only."""
    compiled = recorded(tmp_path / "compiled", compile=True)

    for one, other in zip(losses(plain), losses(compiled), strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
    assert losses(plain) != losses(compiled)
    assert reasons(compiled) == []


@pytest.mark.slow
def test_a_backward_pass_that_cannot_be_compiled_runs_eagerly(tmp_path, plain, monkeypatch):
    """Results are those of eager code, and the reason is reported once."""

    def refuse(graph, inputs):
        raise RuntimeError("no way back")

    monkeypatch.setattr(pointwise_compilation, "BACKEND", aot_autograd(fw_compiler=nop, bw_compiler=refuse))
    torch._dynamo.reset()
    refused = recorded(tmp_path / "refused", compile=True)

    assert losses(plain) == losses(refused)
    assert reasons(refused) == ["Compilation failed; updates run eagerly: no way back"]


@pytest.mark.slow
def test_what_cannot_be_compiled_runs_eagerly(tmp_path, plain, monkeypatch):
    """Results are those of eager code, and the reason is reported once for each of the two functions."""
    monkeypatch.setattr(pointwise_compilation, "BACKEND", "no such backend")
    refused = recorded(tmp_path / "refused", compile=True)

    assert losses(plain) == losses(refused)
    assert len(reasons(refused)) == 2
    assert all("updates run eagerly" in reason for reason in reasons(refused))
