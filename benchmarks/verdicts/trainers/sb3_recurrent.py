"""RecurrentPPO of sb3-contrib, on a task that needs memory."""

from benchmarks.verdicts.recorder import Session
from benchmarks.verdicts.trainers.sb3 import environments, learn, settings
from sb3_contrib import RecurrentPPO

ENVIRONMENTS = 4


def train(session: Session) -> None:
    """Train as the session says."""
    keywords = settings(session) | {"policy_kwargs": {"net_arch": [32], "lstm_hidden_size": 16}}
    learn(session, RecurrentPPO("MlpLstmPolicy", environments(session.base.task, ENVIRONMENTS), **keywords))
