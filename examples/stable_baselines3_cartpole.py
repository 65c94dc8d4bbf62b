"""PPO of Stable-Baselines3 on CartPole, with evaluations, recorded by Esper.

pip install 'esper-lite[integrations]'
python examples/stable_baselines3_cartpole.py
"""

import argparse

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env

from esper_lite.integrations.stable_baselines3 import EsperCallback

ENVIRONMENTS, STEPS = 8, 64


def main() -> None:
    """Train with both callbacks."""
    parser = argparse.ArgumentParser(description="Stable-Baselines3 on CartPole, recorded by Esper.")
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--run", help="name of the run; by default that of the environment")
    options = parser.parse_args()
    environments = make_vec_env("CartPole-v1", ENVIRONMENTS, seed=1)
    model = PPO(
        "MlpPolicy",
        environments,
        n_steps=STEPS,
        batch_size=128,
        n_epochs=8,
        learning_rate=1e-3,
        ent_coef=0.01,
        device="cpu",
        seed=1,
    )
    evaluation = EvalCallback(make_vec_env("CartPole-v1", 1, seed=2), eval_freq=500, verbose=0)
    model.learn(options.updates * ENVIRONMENTS * STEPS, callback=[EsperCallback(options.run), evaluation])


if __name__ == "__main__":
    main()
