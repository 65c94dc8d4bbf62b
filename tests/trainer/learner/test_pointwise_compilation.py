"""The pointwise pointwise of an update, compiled."""

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
    """The events of three updates."""
    run_dir.mkdir()
    config = TrainingConfig(environments=4, hidden_size=16, threads=1, episodes=3, **settings)
    record_training(TrainingPlan(config, run_dir), False)
    return [record.event for record in read_records(run_dir)]


def updates(events):
    """The payloads in them."""
    return [event for event in events if isinstance(event, PPOUpdateCompleted)]


def reasons(events):
    """The warnings about compilation."""
    said = [event.message for event in events if isinstance(event, LogRecorded)]
    return [message for message in said if "Compilation" in message]


@pytest.fixture
def traced(monkeypatch):
    """The front end of torch.compile alone, which needs no compiler and keeps every bit."""
    monkeypatch.setattr(pointwise_compilation, "BACKEND", "aot_eager")
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def losses(events):
    """What updates are compared by."""
    return [
        (event.payload.policy_loss, event.payload.value_loss, event.payload.kl_divergence)
        for event in updates(events)
    ]


@pytest.mark.slow
def test_what_is_traced_says_what_the_code_says(tmp_path, traced):
    """All of it is one graph, and every update is the same to the bit, also in minibatches."""
    settings = {"minibatches": 2, "telemetry": "debug"}
    plain, compiled = (
        recorded(tmp_path / "a", **settings),
        recorded(tmp_path / "b", compile=True, **settings),
    )

    assert losses(plain) == losses(compiled)
    assert len(updates(compiled)) == 3
    assert reasons(compiled) == []


@pytest.mark.process
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="needs a C++ compiler")
def test_what_is_compiled_says_nearly_the_same(tmp_path):
    """By a real compiler, as `--compile` does it: another order of additions, and no more."""
    plain, compiled = recorded(tmp_path / "a"), recorded(tmp_path / "b", compile=True)

    for one, other in zip(losses(plain), losses(compiled), strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
    assert losses(plain) != losses(compiled)
    assert reasons(compiled) == []


@pytest.mark.slow
def test_the_way_back_alone_can_fail_to_compile(tmp_path, monkeypatch):
    """It is compiled later than the way there: the run notices before anything depends on it."""

    def refuse(graph, inputs):
        raise RuntimeError("no way back")

    monkeypatch.setattr(pointwise_compilation, "BACKEND", aot_autograd(fw_compiler=nop, bw_compiler=refuse))
    torch._dynamo.reset()
    plain, refused = recorded(tmp_path / "a"), recorded(tmp_path / "b", compile=True)

    assert losses(plain) == losses(refused)
    assert reasons(refused) == ["Compilation failed; updates run eagerly: no way back"]


@pytest.mark.slow
def test_what_cannot_be_compiled_is_done_all_the_same(tmp_path, monkeypatch):
    """In one sentence the run says why, once for each part, and the updates are those of plain code."""
    monkeypatch.setattr(pointwise_compilation, "BACKEND", "no such backend")
    plain, refused = recorded(tmp_path / "a"), recorded(tmp_path / "b", compile=True)

    assert losses(plain) == losses(refused)
    assert len(reasons(refused)) == 2
    assert all("updates run eagerly" in reason for reason in reasons(refused))
