"""Small trainings of libraries that no example trains with; each imports its library when it is called."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def record_rsl_rl(name: str, runs: Path) -> None:
    """Forty iterations of rsl_rl's PPO, in environments in which large actions cost."""
    import torch
    from rsl_rl.env import VecEnv
    from rsl_rl.runners import OnPolicyRunner
    from tensordict import TensorDict

    class Pushing(VecEnv):
        """Sixteen environments of 20 steps; the best action is the negative of what is observed."""

        num_envs, num_actions, max_episode_length, device = 16, 2, 20, "cpu"

        def __init__(self) -> None:
            self.cfg = SimpleNamespace(scene={"num_envs": self.num_envs}, decimation=2)
            self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
            self.position = torch.randn(self.num_envs, 2)

        def get_observations(self) -> TensorDict:
            """The position."""
            return TensorDict({"policy": self.position}, batch_size=[self.num_envs])

        def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
            """Move by the action; the reward is high near the origin and for small actions."""
            self.position = (self.position + 0.2 * actions).clamp(-3, 3)
            energy = 0.05 * actions.pow(2).sum(1)
            self.episode_length_buf += 1
            dones = (self.episode_length_buf >= self.max_episode_length).long()
            self.episode_length_buf[dones > 0] = 0
            self.position[dones > 0] = torch.randn(int(dones.sum()), 2)
            extras = {"time_outs": dones, "log": {"/reward/energy": energy.mean()}}
            return self.get_observations(), 1 - self.position.pow(2).sum(1) - energy, dones, extras

    torch.manual_seed(5)
    network = {"class_name": "MLPModel", "hidden_dims": [32]}
    settings = {
        "num_steps_per_env": 40, "save_interval": 1_000, "seed": 5, "experiment_name": "pushing",
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "algorithm": {"class_name": "PPO", "num_learning_epochs": 4, "num_mini_batches": 4},
        "actor": network | {"distribution_cfg": {"class_name": "GaussianDistribution"}},
        "critic": network,
        "logger": {
            "class_name": "esper_lite.integrations.rsl_rl:EsperLogWriter",
            "run": name, "runs_dir": str(runs), "aggregator": False,
        },
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        OnPolicyRunner(Pushing(), settings, log_dir=directory).learn(40)


def record_torchrl(name: str, runs: Path) -> None:
    """Forty batches of TorchRL's PPO on CartPole."""
    import torch
    from tensordict.nn import TensorDictModule
    from torchrl.collectors import Collector
    from torchrl.envs.libs.gym import GymEnv
    from torchrl.modules import OneHotCategorical, ProbabilisticActor, ValueOperator
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE
    from torchrl.trainers import LogScalar, Trainer

    from esper_lite.integrations.torchrl import EsperLogger

    torch.manual_seed(3)
    environment = GymEnv("CartPole-v1")
    environment.set_seed(3)
    network = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2))
    actor = ProbabilisticActor(
        TensorDictModule(network, in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits"], spec=environment.action_spec,
        distribution_class=OneHotCategorical, return_log_prob=True,
    )  # fmt: skip
    critic = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    value = ValueOperator(critic, in_keys=["observation"])
    loss = ClipPPOLoss(actor, value, clip_epsilon=0.2)
    frames, batches = 256, 40
    trainer = Trainer(
        collector=Collector(environment, actor, frames_per_batch=frames, total_frames=frames * batches),
        total_frames=frames * batches, frame_skip=1, optim_steps_per_batch=2, loss_module=loss,
        num_epochs=4, optimizer=torch.optim.Adam(loss.parameters(), 1e-3), progress_bar=False,
        logger=None, log_interval=-1,
    )  # fmt: skip
    trainer.register_op("batch_process", GAE(gamma=0.99, lmbda=0.95, value_network=value))
    trainer.register_op("pre_steps_log", LogScalar(("next", "reward"), "r_training"))
    logger = EsperLogger(name, runs_dir=runs, aggregator=False)
    logger.watch(trainer)
    trainer.train()
    logger.close()


def record_trl(name: str, runs: Path) -> None:
    """Forty steps of TRL's GRPO, offline, with a model of one layer and random weights."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, set_seed
    from trl import GRPOConfig, GRPOTrainer

    from esper_lite.integrations.trl import EsperCallback

    set_seed(7)
    words = ["<pad>", "<eos>", "<unk>", *"abcdefgh"]
    level = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    level.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=level, **special)
    sizes = {"vocab_size": len(words), "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 1}
    with tempfile.TemporaryDirectory() as directory:
        settings = GRPOConfig(
            output_dir=directory, per_device_train_batch_size=16, num_generations=4, max_steps=40,
            max_completion_length=8, logging_steps=1, report_to=[], use_cpu=True, bf16=False,
            save_strategy="no", disable_tqdm=True, beta=0.1, seed=7, learning_rate=5e-3,
        )  # fmt: skip
        GPT2LMHeadModel(GPT2Config(bos_token_id=1, eos_token_id=1, pad_token_id=0, **sizes)).save_pretrained(
            f"{directory}/tiny"
        )
        GRPOTrainer(
            model=f"{directory}/tiny", args=settings, processing_class=tokenizer,
            callbacks=[EsperCallback(name, runs_dir=runs, aggregator=False)],
            train_dataset=Dataset.from_dict({"prompt": ["a b", "c d", "e f", "g h"] * 16}),
            reward_funcs=lambda completions, **_: [float(text.count("a")) for text in completions],
        ).train()  # fmt: skip
