"""Trainings of TorchRL: what the logger records equals the library's own CSV files."""

import logging
import warnings
from pathlib import Path

import pytest

pytest.importorskip("torchrl")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library uses what it deprecates
    import torch
    from tensordict.nn import TensorDictModule
    from torchrl.collectors import Collector
    from torchrl.envs.libs.gym import GymEnv
    from torchrl.modules import OneHotCategorical, ProbabilisticActor, ValueOperator
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE
    from torchrl.record.loggers.csv import CSVLogger
    from torchrl.trainers import LogScalar, Trainer

from esper_lite import ScalarsLogged, open_run
from esper_lite.integrations.torchrl import EsperLogger

HOW_TOS = Path(__file__).parents[3] / "docs" / "how-to"

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def train():
    """Trains PPO on CartPole for four batches of 32 frames, with a logger of the trainer and others."""

    def run(logger, watching=(), before=lambda trainer: None):
        environment = GymEnv("CartPole-v1")
        network = TensorDictModule(torch.nn.Linear(4, 2), in_keys=["observation"], out_keys=["logits"])
        actor = ProbabilisticActor(
            network, in_keys=["logits"], spec=environment.action_spec,
            distribution_class=OneHotCategorical, return_log_prob=True,
        )  # fmt: skip
        value = ValueOperator(torch.nn.Linear(4, 1), in_keys=["observation"])
        loss = ClipPPOLoss(actor, value, clip_epsilon=0.25)
        trainer = Trainer(
            collector=Collector(environment, actor, frames_per_batch=32, total_frames=128),
            total_frames=128, frame_skip=1, optim_steps_per_batch=2, loss_module=loss, num_epochs=2,
            optimizer=torch.optim.Adam(loss.parameters()), progress_bar=False, logger=logger, log_interval=-1,
        )  # fmt: skip
        trainer.register_op("batch_process", GAE(gamma=0.99, lmbda=0.95, value_network=value))
        trainer.register_op("pre_steps_log", LogScalar(("next", "reward"), "r_training"))
        before(trainer)
        for one in watching:
            one.watch(trainer)
        trainer.train()

    return run


@pytest.fixture
def logger(runs_dir):
    """Makes a logger that records into the runs directory of the test."""
    made = []

    def make(run="run", **options):
        made.append(EsperLogger(run, **{"runs_dir": runs_dir, "aggregator": False, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def recorded_values(events):
    """All recorded values as (name, step, value)."""
    scalars = [event for event in events if isinstance(event, ScalarsLogged)]
    return {(name, event.step, value) for event in scalars for name, value in event.values.items()}


def test_every_value_of_the_librarys_log_is_recorded(train, logger, tmp_path, events):
    """Equal numbers for every batch, also of the first ones."""
    train(CSVLogger("log", log_dir=str(tmp_path)), [logger()])
    written = {
        (file.stem, int(step), float(value))
        for file in (tmp_path / "log" / "scalars").iterdir()
        for step, value in (line.split(",") for line in file.read_text().splitlines())
    }
    recorded = recorded_values(events("run"))

    assert len(written) >= 4 * 10
    assert written <= recorded
    assert {name for name, *_ in recorded - written} == {"env_steps_total"}


def test_the_screen_has_the_numbers_of_the_last_batch(train, logger, runs_dir, events):
    """Its own names are translated; per-step rewards are no returns."""
    train(None, [logger()])
    last = {name: value for name, step, value in recorded_values(events("run")) if step == 128}
    snapshot = open_run(runs_dir / "run").snapshot()
    tamiyo = snapshot.tamiyo

    assert (tamiyo.policy_loss, tamiyo.value_loss) == (last["loss_objective"], last["loss_critic"])
    assert (tamiyo.kl_divergence, tamiyo.entropy) == (last["kl_approx"], last["entropy"])
    assert (tamiyo.clip_fraction, tamiyo.grad_norm_pre_clip) == (last["clip_fraction"], last["grad_norm_0"])
    assert (snapshot.run.env_steps_total, snapshot.ranks[0].last_update) == (128, 4)
    assert (snapshot.run.mean_return, tamiyo.joint_ratio_max) == (None, None)
    assert snapshot.scalars["max_ratio"].value == last["max_ratio"]


def test_the_start_of_the_run_has_the_settings_of_the_trainer(train, logger, events):
    """With those that the program logs."""
    one = logger()
    one.log_hparams({"lr": 1e-3, "env_id": "CartPole-v1"})
    train(None, [one])
    started, *_, finished = events("run")

    assert (started.task, started.clip_range, started.episodes) == ("CartPole-v1", 0.25, 4)
    assert started.config["loss"] == "ClipPPOLoss"
    assert started.config["lr"] == 1e-3
    assert finished.outcome == "completed"


def test_a_logger_of_a_trainer_that_it_watches_records_each_value_once(train, logger, events):
    """Being its logger as well adds nothing."""
    one = logger()
    train(one, [one])
    calls = [event for event in events("run") if isinstance(event, ScalarsLogged)]

    assert [call.step for call in calls] == [32, 64, 96, 128]


def test_a_loop_of_ones_own_logs_scalars(logger, events):
    """Videos and histograms are counted; gradient norms are those before clipping."""
    one = logger()
    one.log_metrics({"loss_objective": 0.5, "grad_norm": 2.0}, step=32)
    one.log_video("video", None)
    one.log_histogram("weights", [1, 2])
    one.log_str("note", "it learns")
    one.close()
    names = {name for name, *_ in recorded_values(events("run"))}

    assert names == {"loss_objective", "grad_norm_pre_clip"}
    assert events("run")[-1].outcome == "completed"
    assert repr(one) == "EsperLogger('run')"
    assert one.state_dict()["exp_name"] == "run"


def test_a_failing_recorder_costs_the_record_only(train, logger, tmp_path, caplog):
    """There is one warning, and the training reaches its end."""
    (tmp_path / "file").write_text("")
    batches = []
    with caplog.at_level(logging.WARNING, "esper"):
        train(
            None,
            [logger(runs_dir=tmp_path / "file")],
            before=lambda trainer: trainer.register_op("post_steps", lambda: batches.append(1)),
        )

    assert len(batches) == 4
    assert len([record for record in caplog.records if record.name.startswith("esper")]) == 1


def test_another_version_of_the_trainer_costs_the_record_only(logger, caplog):
    """What the logger needs and does not find is reported once for each hook."""
    hooks = {}

    class Other:
        """A trainer without the values that it has logged."""

        loss_module = collector = None
        register_op = staticmethod(hooks.__setitem__)

    trainer = Other()
    with caplog.at_level(logging.WARNING, "esper"):
        logger().watch(trainer)
        for _ in range(2):
            hooks["post_steps_log"](None)
        hooks["shutdown"]()
    (record,) = caplog.records

    assert "'_log_dict'" in record.msg.fields["reason"]


def test_the_lines_of_the_how_to_record_a_run(train, runs_dir, monkeypatch):
    """Those for a `Trainer` are executed as they are."""
    page = (HOW_TOS / "record-torchrl.md").read_text()
    code = "".join(
        line[4:] for line in page.split("```")[0].splitlines(keepends=True) if line.startswith("    ")
    )
    monkeypatch.setenv("ESPER_RUNS_DIR", str(runs_dir))
    train(None, before=lambda trainer: exec(code.replace("trainer.train()", ""), {"trainer": trainer}))

    assert open_run(runs_dir / "cartpole").snapshot().ranks[0].last_update == 4
