"""Several real processes train one policy as one process would."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from benchmarks.ports import free_ports

from esper_bus.store.run_reader import read_records
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import PPOUpdateCompleted, RolloutCompleted, RunFinished, RunStarted
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.action_masks import static_choices
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.learner.learner import LearnerState
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.rollout_collector import RolloutCollector
from esper_trainer.ranks.process_group import ProcessGroup
from esper_trainer.request import TrainingRequest
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint, write
from esper_trainer.run.resume import last_checkpoint
from esper_trainer.session import ReportedElsewhereError, plan

LEARN_A_PART = """
import sys, torch
from esper_trainer.ppo.rollout_buffer import Transitions
from esper_trainer.config import TrainingConfig
from esper_trainer.ranks.process_group import join_group
from esper_trainer.environments.morph.action_masks import static_choices
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.ppo.rollout_collector import RolloutCollector

torch.set_num_threads(1)
cpu, horizon = torch.device("cpu"), Preset("short", 1, 4, 8, 24)
group = join_group("cpu")
size = 6 // group.world_size
mine = slice(group.rank * size, (group.rank + 1) * size)

def learn(target_kl, poison=False):
    policy = Tamiyo(116, 16, seed=0)
    environment = MorphEnvironment(6, horizon, seed=0, device=cpu)
    rollout = RolloutCollector(policy, environment, action_layout(cpu), seed=1).collect(int).transitions
    if poison:
        rollout.observations[3, 5] = torch.nan  # a reward would reach the others by the moments of advantages
    part = Transitions(rollout.observations[:, mine], *(column[..., mine] for column in rollout[1:]))
    config = TrainingConfig(
        environments=6, hidden_size=16, learning_rate=3e-3, target_kl=target_kl,
        value_normalisation="none" if poison else "popart",  # PopArt rescales the critic without a step, too
    )
    ppo = PPO(policy, action_layout(cpu), static_choices(cpu), config, group)
    before = torch.nn.utils.parameters_to_vector(policy.parameters()).detach().clone()
    rows = [ppo.update(part) for _ in range(2)]
    after = torch.nn.utils.parameters_to_vector(policy.parameters()).detach()
    return {"before": before, "after": after, "rows": rows, "mean": policy.value_mean}

results = {"all epochs": learn(0.0), "stopped": learn(1e-4), "not finite": learn(0.0, poison=True)}
torch.save(results, f"{sys.argv[1]}-{group.rank}")
group.close()
"""


def start(count, command, **options):
    """The processes of a group, as torchrun starts them."""
    port = str(free_ports(1))
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env={
                **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        for rank in range(count)
    ]  # fmt: skip


def ended(processes):
    """Wait for the end of a group; return exit codes and outputs."""
    outputs = [process.communicate(timeout=200) for process in processes]
    return [process.returncode for process in processes], outputs


def run(count, command):
    """Run a group to its end; return exit codes and outputs."""
    return ended(start(count, command))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """The results of two updates on the same six environments: of one process, and of each of two."""
    directory = tmp_path_factory.mktemp("learnt")
    groups = {count: start(count, ["-c", LEARN_A_PART, str(directory / f"{count}")]) for count in (1, 2)}
    for count, processes in groups.items():
        codes, outputs = ended(processes)
        assert codes == [0] * count, outputs
    return [torch.load(directory / name) for name in ("1-0", "2-0", "2-1")]


@pytest.mark.process
@pytest.mark.parametrize("case", ["all epochs", "stopped"])
def test_two_processes_learn_what_one_would_from_all_environments(learnt, case):
    """Weights agree to 1e-5, and bit for bit between the two, even if the target KL stops the update."""
    alone, first, second = (results[case] for results in learnt)

    assert torch.equal(first["after"], second["after"])
    torch.testing.assert_close(first["after"], alone["after"], rtol=0, atol=1e-5)
    torch.testing.assert_close(first["mean"], alone["mean"])
    assert (alone["after"] - alone["before"]).abs().max() > 1e-3


@pytest.mark.process
def test_what_is_not_finite_in_one_process_is_skipped_in_all(learnt):
    """Weights do not change in the process without NaN either."""
    for result in (results["not finite"] for results in learnt[1:]):
        assert torch.equal(result["before"], result["after"])


@pytest.mark.parametrize(("environments", "minibatches"), [(7, 1), (6, 2)])
def test_environments_must_divide_among_processes_and_minibatches(environments, minibatches):
    """The message has a number that works."""
    config = TrainingConfig(environments=environments * minibatches, minibatches=minibatches)

    with pytest.raises(InvalidArgument, match=f"multiple of {4 * minibatches}"):
        ProcessGroup(0, 4).local_environments(config)


class Threads(ProcessGroup):
    """A group of threads, each a rank; numbers are compared, nothing is summed."""

    def __init__(self, rank, shared):
        super().__init__(rank, len(shared))
        self.shared = shared

    @classmethod
    def call(cls, count, function):
        """What `function(group)` returns or raises in each of `count` ranks."""
        cls.barrier, shared = threading.Barrier(count), [0] * count
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(function, cls(rank, shared)) for rank in range(count)]
        return [future.exception() or future.result() for future in futures]

    def largest(self, number):
        """The largest of all threads' numbers."""
        self.shared[self.rank] = number
        self.barrier.wait(10)
        result = max(self.shared)
        self.barrier.wait(10)
        return result


def checkpoints(run_dir, *updates_by_rank):
    """Write checkpoints of each rank; return a function that finds the newest one that all ranks have."""
    (run_dir / "spool").mkdir()
    for rank, updates in enumerate(updates_by_rank):
        for update in updates:
            content = TrainingCheckpoint(update, {}, rank, len(updates_by_rank), 0.0, LearnerState({}, {}))
            write(CheckpointFiles(run_dir, rank).path(update), content)
    return lambda group: last_checkpoint(run_dir, group).update


@pytest.mark.parametrize(
    ("updates", "common"),
    [
        (([3, 4, 5], [3, 4, 5]), 5),
        (([3, 4, 5], [2, 3, 4]), 4),
        (([10, 30], [10, 20, 40]), 10),  # some were left out because the disk was slow
        (([7], [7, 8], [6, 7]), 7),
    ],
)
def test_a_run_resumes_from_the_newest_checkpoint_that_all_have(tmp_path, updates, common):
    """Each rank reads its own files only, which may be on different machines."""
    assert Threads.call(len(updates), checkpoints(tmp_path, *updates)) == [common] * len(updates)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_another_number_of_processes_cannot_resume(tmp_path, ranks):
    """The error of the first process has the original number."""
    first, *_ = Threads.call(ranks, checkpoints(tmp_path, [5], [5], [5]))

    assert isinstance(first, InvalidArgument)
    assert "trained by 3 processes; resume it with --ranks 3" in str(first)


def test_two_processes_cannot_resume_what_one_process_trained(tmp_path):
    """The message says to resume without --ranks."""
    first, _ = Threads.call(2, checkpoints(tmp_path, [5]))

    assert "trained by one process; resume it without --ranks" in str(first)


def test_a_rank_whose_file_is_missing_is_named(tmp_path):
    """All ranks have the same message, so that any of them can report it."""
    for problem in Threads.call(3, checkpoints(tmp_path, [5], [], [5])):
        assert isinstance(problem, InvalidArgument)
        assert "no checkpoint of rank 1" in str(problem)


def test_checkpoints_without_a_common_one_cannot_be_resumed(tmp_path):
    """Each rank has one, but after different updates."""
    for problem in Threads.call(2, checkpoints(tmp_path, [5], [6])):
        assert "no checkpoint in common" in str(problem)


def test_a_run_that_cannot_begin_is_reported_by_one_process(tmp_path):
    """The first one reports the problem; the others end silently."""
    request = TrainingRequest(name="mine", resume=True, runs_dir=tmp_path)
    (tmp_path / "mine").mkdir()
    checkpoints(tmp_path / "mine", [5], [], [5])
    problems = Threads.call(3, lambda group: plan(request, group))

    assert [isinstance(problem, ReportedElsewhereError) for problem in problems] == [False, True, True]
    assert "no checkpoint of rank 1" in str(problems[0])


def count_collectives(monkeypatch, **settings):
    """The sizes of the tensors that an update reduces in one of two processes, and the parameter count."""
    sizes = []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor, *_: sizes.append(tensor.numel()))
    cpu = torch.device("cpu")
    policy, horizon = Tamiyo(116, 16, seed=0), Preset("short", 1, 4, 8, 6)
    config = TrainingConfig(environments=8, hidden_size=16, **settings)
    rollout = RolloutCollector(
        policy, MorphEnvironment(4, horizon, seed=0, device=cpu), action_layout(cpu), seed=1
    ).collect(int)
    ppo = PPO(policy, action_layout(cpu), static_choices(cpu), config, ProcessGroup(0, 2))
    ppo.update(rollout.transitions)
    return sizes, sum(parameter.numel() for parameter in policy.parameters())


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (3, 2)])
def test_one_collective_per_minibatch(monkeypatch, epochs, minibatches):
    """It sums gradients, loss and KL divergence; before the first, moments and counts are summed once."""
    sizes, parameters = count_collectives(monkeypatch, epochs=epochs, minibatches=minibatches)
    steps = epochs * minibatches

    assert sizes == [3, 17 * steps, *[parameters + 2] * steps]


def test_value_normalisation_sums_moments_of_its_own(monkeypatch):
    """They are one more collective of three numbers."""
    sizes, _ = count_collectives(monkeypatch, epochs=1, value_normalisation="popart")

    assert sizes[:2] == [3, 3]
    assert len(sizes) == 4


TRAIN = ["-m", "esper_trainer", "--envs", "4", "--threads", "1", "--aggregator", "ipc:///nowhere"]


def events_of(run_dir, rank):
    """The events of one process."""
    return [record.event for record in read_records(run_dir) if record.producer == f"trainer:{rank}"]


@pytest.mark.process
def test_every_process_emits_its_own_events(tmp_path):
    """Only the first process prints progress; the run can be resumed."""
    where = ["--runs-dir", str(tmp_path)]
    codes, outputs = run(2, [*TRAIN, *where, "--name", "mine", "--episodes", "2"])
    assert codes == [0, 0], outputs
    resumed, later_outputs = run(2, [*TRAIN, *where, "--resume", "mine", "--episodes", "3"])
    one, two = (events_of(tmp_path / "mine", rank) for rank in (0, 1))
    updates = [[e.payload for e in events if isinstance(e, PPOUpdateCompleted)] for events in (one, two)]

    assert resumed == [0, 0], later_outputs
    assert "2/2  return" in outputs[0][0]
    assert outputs[1][0] == ""
    assert [(e.rank, e.world_size) for e in (one[0], two[0]) if isinstance(e, RunStarted)] == [(0, 2), (1, 2)]
    assert [len(payloads) for payloads in updates] == [3, 3]
    for mine, yours in zip(*updates, strict=True):
        assert mine.grad_norm_pre_clip == yours.grad_norm_pre_clip
        assert mine.epochs_completed == yours.epochs_completed
    returns = [[e.mean_return for e in events if isinstance(e, RolloutCompleted)] for events in (one, two)]
    assert returns[0] != returns[1]


@pytest.mark.process
def test_a_signal_to_one_process_ends_all_after_the_same_update(tmp_path):
    """Each of them records how it ended."""
    command = [*TRAIN, "--runs-dir", str(tmp_path), "--name", "mine", "--episodes", "5000"]
    processes = start(2, command)
    assert next(line for line in iter(processes[0].stdout.readline, "") if " 2/5000" in line)
    processes[1].send_signal(signal.SIGTERM)
    for process in processes:
        process.communicate(timeout=100)
    ends = [events_of(tmp_path / "mine", rank)[-1] for rank in (0, 1)]

    assert all(isinstance(end, RunFinished) and end.outcome == "interrupted" for end in ends)
    assert ends[0].updates == ends[1].updates
    assert "another process" in ends[0].reason
