"""Trainings of TRL, offline with a small random model: what is recorded equals the trainer's own log."""

import importlib.util
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

if not all(importlib.util.find_spec(name) for name in ("trl", "transformers", "datasets", "tokenizers")):
    pytest.skip("TRL is not installed", allow_module_level=True)

from esper_lite import ScalarsLogged, open_run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
HOW_TOS = Path(__file__).parents[3] / "docs" / "how-to"
WORDS = ["<pad>", "<eos>", "<unk>", *"abcdefgh"]


@pytest.fixture(scope="module")
def tokenizer():
    """One word per letter; importing the libraries takes seconds, so that collecting tests does not."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.fixture(scope="module")
def model(tokenizer, tmp_path_factory):
    """The directory of a GPT-2 of one layer with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": len(WORDS), "n_positions": 32, "n_embd": 8, "n_layer": 1, "n_head": 1}
    directory = str(tmp_path_factory.mktemp("model") / "tiny")
    GPT2LMHeadModel(GPT2Config(bos_token_id=1, eos_token_id=1, pad_token_id=0, **sizes)).save_pretrained(
        directory
    )
    return directory


@pytest.fixture
def train(model, tokenizer, tmp_path, runs_dir):
    """Trains for three steps with a callback; returns the trainer."""
    import trl
    from datasets import Dataset

    from esper_lite.integrations.trl import EsperCallback

    def run(algorithm="GRPO", callback=None, **options):
        settings = getattr(trl, f"{algorithm}Config")(
            output_dir=str(tmp_path), per_device_train_batch_size=4, num_generations=2, max_steps=3,
            max_completion_length=4, logging_steps=1, report_to=[], use_cpu=True, bf16=False,
            save_strategy="no", disable_tqdm=True, beta=0.1, seed=7,
        )  # fmt: skip
        callback = callback or EsperCallback("run", **{"runs_dir": runs_dir, "aggregator": False, **options})
        trainer = getattr(trl, f"{algorithm}Trainer")(
            model=model, args=settings, processing_class=tokenizer, callbacks=[callback],
            train_dataset=Dataset.from_dict({"prompt": ["a b", "c d", "e f", "g h"] * 4}),
            reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
        )  # fmt: skip
        trainer.train()
        return trainer

    return run


@pytest.mark.parametrize("algorithm", ["GRPO", "RLOO"])
def test_every_value_of_the_trainers_log_is_recorded(train, algorithm, events, runs_dir):
    """By step; and the screen has the numbers of the last step, in the catalogue's terms."""
    trainer = train(algorithm)
    *steps, totals = [dict(entry) for entry in trainer.state.log_history]
    recorded = [(event.step, event.values) for event in events("run") if isinstance(event, ScalarsLogged)]
    snapshot = open_run(runs_dir / "run").snapshot()
    tamiyo, run, last = snapshot.tamiyo, snapshot.run, steps[-1]

    assert [step for step, _ in recorded] == [1, 2, 3, 3]
    for entry, (step, values) in zip([*steps, totals], recorded, strict=True):
        assert step == entry.pop("step")
        norm = {"grad_norm_pre_clip": entry.pop("grad_norm")} if "grad_norm" in entry else {}
        assert values == norm | {f"train/{name}": value for name, value in entry.items() if value is not None}
    assert (run.mean_return, snapshot.scalars["train/reward_std"].value) == (
        last["reward"],
        last["reward_std"],
    )
    assert run.mean_length == last["completions/mean_length"]
    assert (tamiyo.entropy, tamiyo.learning_rate) == (last["entropy"], last["learning_rate"])
    assert tamiyo.clip_fraction == last["clip_ratio/region_mean"]
    assert (tamiyo.kl_divergence, snapshot.scalars["train/kl"].value) == (None, last["kl"])
    assert snapshot.ranks[0].last_update == 3  # the totals are not an update
    assert "train/train_runtime" in snapshot.scalars


def test_the_start_of_the_run_has_the_arguments(train, events):
    """Without tokens; the run has ended."""
    train()
    started, *_, finished = events("run")

    assert (started.episodes, started.seed, started.clip_range) == (3, 7, 0.2)
    assert started.device == "cpu"
    assert started.task.endswith("tiny")
    assert started.config["num_generations"] == 2
    assert not [name for name in started.config if name.endswith("_token")]
    assert finished.outcome == "completed"


def test_a_failing_recorder_costs_the_record_only(train, tmp_path, caplog):
    """There is one warning, and the training reaches its end."""
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, "esper"):
        trainer = train(runs_dir=tmp_path / "file")

    assert trainer.state.global_step == 3
    assert len([record for record in caplog.records if record.name.startswith("esper")]) == 1


def test_the_lines_of_the_how_to_record_a_run(train, runs_dir, monkeypatch):
    """They are executed as they are, around a small training."""
    page = (HOW_TOS / "record-trl.md").read_text()
    code = "".join(line[4:] for line in page.splitlines(keepends=True) if line.startswith("    "))
    monkeypatch.setenv("ESPER_RUNS_DIR", str(runs_dir))

    def trainer_of(_, *, args, callbacks):
        return SimpleNamespace(train=lambda: train(callback=callbacks[0]))

    exec(code, {"GRPOTrainer": trainer_of, "GRPOConfig": dict})

    assert open_run(runs_dir / "grpo").snapshot().ranks[0].last_update == 3


def test_evaluations_have_their_own_names(runs_dir, events):
    """As in the files that transformers writes for TensorBoard; texts are left out."""
    from esper_lite.integrations.trl import EsperCallback

    callback = EsperCallback("run", runs_dir=runs_dir, aggregator=False)
    state = SimpleNamespace(is_world_process_zero=True, global_step=5, max_steps=9)
    arguments = SimpleNamespace(to_dict=dict)
    callback.on_train_begin(arguments, state, None)
    callback.on_log(
        arguments, state, None, logs={"eval_reward": 2.0, "loss": 1, "note": "text", "none": None}
    )
    callback.on_train_end(arguments, state, None)
    started, values, _ = events("run")

    assert (values.step, values.values) == (5, {"eval/reward": 2.0, "train/loss": 1.0})
    assert started.episodes == 9
