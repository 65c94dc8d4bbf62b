"""The trainings as data: who trains what with which seed, and the faults that begin in the middle."""

from dataclasses import dataclass
from typing import Literal

Half = Literal["tuning", "measured"]
Kind = Literal["loud", "silent"]

BASIC_TASKS = ("CartPole", "Acrobot", "MountainCar", "Pendulum", "FrozenLake", "CliffWalking")
"""Discrete with a dense reward, discrete with -1 per step, sparse, continuous with large rewards, sparse 0/1,
and large negative rewards."""

MEMORY_TASK = "CartPoleNoVelocity"
OWN_TASK = "Morph"

TASKS_OF: dict[str, tuple[str, ...]] = {
    "single_file": BASIC_TASKS,
    "sb3": BASIC_TASKS,
    "sb3_recurrent": (MEMORY_TASK,),
    "esper": (OWN_TASK,),
}
"""The trainers, and the tasks that each is recorded with."""

SEEDS: dict[Half, tuple[int, ...]] = {"tuning": (1, 2, 3), "measured": (4, 5, 6)}
"""Bounds may be chosen on the trainings of the first half; those of the second are only measured."""

FIRST_FAULTY_UPDATE = (25, 30, 35)
"""By the seed, so that no rule can be fitted to one number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with a training.

    places: where it is injected in each half. hits: the rules that name the fault; one of them is enough.
    updates: how long the training continues with it. only_for: the trainers that can have it, all by default.
    only_discrete: whether it is about logits. only_varying: whether it has no effect on equal rewards.
    """

    name: str
    kind: Kind
    places: dict[Half, str]
    hits: tuple[str, ...]
    updates: int = 25
    only_for: tuple[str, ...] = ()
    only_discrete: bool = False
    only_varying: bool = False

    @property
    def slug(self) -> str:
        """The name as part of a file name."""
        return self.name.replace(" × ", "_times_").replace(" ", "_").replace("-", "_")


def _loud(
    name: str, tuning: str, measured: str, *hits: str, updates: int = 25, only_discrete: bool = False
) -> Fault:
    places: dict[Half, str] = {"tuning": tuning, "measured": measured}
    return Fault(
        name=name, kind="loud", places=places, hits=hits, updates=updates, only_discrete=only_discrete
    )


def _silent(
    name: str,
    tuning: str,
    measured: str,
    *hits: str,
    only_for: tuple[str, ...] = (),
    only_varying: bool = False,
) -> Fault:
    places: dict[Half, str] = {"tuning": tuning, "measured": measured}
    return Fault(
        name=name,
        kind="silent",
        places=places,
        hits=hits,
        updates=12,
        only_for=only_for,
        only_varying=only_varying,
    )


_TOO_LARGE = ("large_updates", "ratio_explosion", "policy_collapse", "head_collapse")
_NOT_FINITE = ("rewards_not_finite", "loss_not_finite", "gradient_not_finite", "steps_skipped")

FAULTS: tuple[Fault, ...] = (
    _loud(
        "learning rate × 100",
        "setting of the optimiser",
        "every step of the parameters is made 100 times as long",
        *_TOO_LARGE,
    ),
    _loud("rewards × 1000", "in the environment", "in the rollout store", "value_loss_explosion"),
    _loud(
        "learning rate 1e-9",
        "setting of the optimiser",
        "every step of the parameters is undone",
        "policy_frozen",
        "vanishing_gradient",
    ),
    _loud("zero rewards", "in the environment", "in the rollout store", "no_reward_signal"),
    _loud(
        "frozen critic",
        "the value coefficient is 0",
        "the gradient of the critic is zeroed",
        "critic_not_learning",
        "value_collapse",
    ),
    _loud(
        "no clipping",
        "settings: clip range 1e6, 40 epochs",
        "40 epochs, and the old log-probs are computed anew in the minibatch gather",
        *_TOO_LARGE,
        updates=12,
    ),
    _loud(
        "negative entropy bonus",
        "the entropy coefficient is -1",
        "the sign of the entropy in the loss, times 100",
        *_TOO_LARGE,
    ),
    _loud("NaN reward", "in the environment", "in the rollout store", *_NOT_FINITE),
    _loud(
        "target KL 1e-8",
        "setting",
        "only the first minibatch of an update is gathered",
        "early_stop",
        "policy_frozen",
    ),
    _loud(
        "logits × 50",
        "the weights of the last layer, once",
        "the output of the last layer, in every pass",
        *_TOO_LARGE,
        only_discrete=True,
    ),
    _silent("advantages shuffled", "in the targets", "in the minibatch gather"),
    _silent("sign flipped", "in the targets", "in the loss"),
    _silent(
        "rewards late",
        "by 8 steps in the rollout store",
        "by 1 step in the rollout store",
        only_varying=True,
    ),
    _silent("noisy old log-probs", "in the rollout store", "in the minibatch gather"),
    _silent(
        "recurrent state dropped",
        "in every pass of the rollout",
        "in every other pass of the rollout",
        only_for=("sb3_recurrent", "esper"),
    ),
)

FAULT_NAMED = {fault.name: fault for fault in FAULTS}

CONTINUOUS_TASKS = frozenset({"Pendulum"})
EQUAL_REWARDS = frozenset({"CartPole", MEMORY_TASK, "MountainCar"})
"""Tasks in which nearly every step has the same reward."""

TRUE_OF_FLAT_RETURNS = ("no_reward_signal", "critic_not_learning", "value_collapse", "policy_frozen")
"""Findings that are true of a healthy training while all its episodes have the same return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A training without a fault; it is also the twin of those into which faults are injected."""

    trainer: str
    task: str
    seed: int

    @property
    def name(self) -> str:
        """The name of the training, which its files begin with."""
        return f"{self.trainer}-{self.task}-{self.seed}"

    @property
    def half(self) -> Half:
        """Whether bounds may be chosen on the training."""
        return "tuning" if self.seed in SEEDS["tuning"] else "measured"

    @property
    def fault_begins(self) -> int:
        """The first update with a fault, of those trainings that have one."""
        return FIRST_FAULTY_UPDATE[self.seed % len(FIRST_FAULTY_UPDATE)]

    def faults(self) -> tuple[Fault, ...]:
        """The faults that can be injected into the training."""
        return tuple(fault for fault in FAULTS if self._can_have(fault))

    def _can_have(self, fault: Fault) -> bool:
        if fault.only_for and self.trainer not in fault.only_for:
            return False
        if fault.only_discrete and self.task in CONTINUOUS_TASKS:
            return False
        return not (fault.only_varying and self.task in EQUAL_REWARDS)


BASES: tuple[Base, ...] = tuple(
    Base(trainer=trainer, task=task, seed=seed)
    for seed in (*SEEDS["tuning"], *SEEDS["measured"])
    for trainer, tasks in TASKS_OF.items()
    for task in tasks
)

BASE_NAMED = {base.name: base for base in BASES}


def recording_name(base: Base, fault: Fault | None) -> str:
    """The name of the recording of a training, without its ending."""
    return base.name if fault is None else f"{base.name}-{fault.slug}"
