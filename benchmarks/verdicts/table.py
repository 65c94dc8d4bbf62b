"""The trainings as data: who trains what with which seed, and the faults that begin in the middle."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Half = Literal["tuning", "seen", "measured"]
"""Bounds may be chosen on the trainings for tuning. Those that were seen have their faults where the measured
ones have them, but their results were looked at while rules changed; those of the measured ones were not."""

Place = Literal["tuning", "measured"]
Kind = Literal["loud", "silent"]

BASIC_TASKS = ("CartPole", "Acrobot", "MountainCar", "Pendulum", "FrozenLake", "CliffWalking")
"""Discrete with a dense reward, discrete with -1 per step, sparse, continuous with large rewards, sparse 0/1,
and large negative rewards."""

MEASURED_TASKS = (
    "CartPole",
    "Acrobot",
    "Pendulum",
    "FrozenLake",
    "CliffWalking",
    "SlipperyLake",
    "Taxi",
)
"""Without the task that hardly any training learns; with two whose returns are mostly chance, or large."""

EPISODES_OF_ONE_STEP = "Blackjack"
"""Only for trainers that log the mean of many episodes."""

MEMORY_TASK = "CartPoleNoVelocity"
OWN_TASK = "Morph"

TASKS_OF: dict[str, tuple[str, ...]] = {
    "single_file": BASIC_TASKS,
    "sb3": BASIC_TASKS,
    "sb3_recurrent": (MEMORY_TASK,),
    "esper": (OWN_TASK,),
}
"""The trainers, and the tasks that each is recorded with for tuning."""

MEASURED_TASKS_OF: dict[str, tuple[str, ...]] = {
    "single_file": MEASURED_TASKS,
    "sb3": (*MEASURED_TASKS, EPISODES_OF_ONE_STEP),
    "sb3_recurrent": (MEMORY_TASK,),
    "esper": (OWN_TASK,),
}
"""The same for the measured trainings."""

SEEDS: dict[Half, tuple[int, ...]] = {
    "tuning": (1, 2, 3),
    "seen": tuple(range(4, 19)),
    "measured": (19, 20, 21, 22, 23, 24),
}
LATER_FAULTS_FROM = 7
"""From this seed on, trainings are longer, more varied, and damaged later."""
MORE_SEEDS = (10, 11, 12, 13, 17, 18, 22, 23, 24)
MORE_TASKS_OF: dict[str, tuple[str, ...]] = {
    "single_file": ("CartPole", "Acrobot", "FrozenLake", "SlipperyLake"),
    "esper": (OWN_TASK,),
}
"""Further trainings, without faults."""

FIRST_FAULTY_UPDATE = (25, 30, 35)
"""By the seed, so that no rule can be fitted to one number."""

LATER_FAULTY_UPDATE = (40, 80, 110)
"""When most policies are good enough to be damaged."""

UPDATES = 400
"""The length of a training without a fault, unless it is a later one of another program."""

LATER_UPDATES = (700, 400, 400)
"""By the seed."""

STEPS, LATER_STEPS = 32, (32, 16, 16)
"""Steps of each environment per update, those of later trainings of other programs by the seed."""

ANNEALED_SEEDS = (8, 11, 13, 15, 18, 20, 23)
"""Trainings of other programs whose learning rate falls to 0, linearly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with a training.

    places: where it is injected, for tuning and otherwise. hits: the rules that name the fault; one of them
    is enough. updates: how long the training continues with it. only_for: the trainers that can have it, all
    by default. only_discrete: whether it is about logits. only_varying: whether it has no effect on equal
    rewards.
    """

    name: str
    kind: Kind
    places: dict[Place, str]
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
    places: dict[Place, str] = {"tuning": tuning, "measured": measured}
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
    places: dict[Place, str] = {"tuning": tuning, "measured": measured}
    return Fault(
        name=name,
        kind="silent",
        places=places,
        hits=hits,
        updates=12,
        only_for=only_for,
        only_varying=only_varying,
    )


_TOO_LARGE = ("large_updates", "ratio_explosion", "policy_collapse", "abrupt_collapse", "head_collapse")
_NOT_FINITE = (
    "rewards_not_finite",
    "loss_not_finite",
    "gradient_not_finite",
    "kl_not_finite",
    "steps_skipped",
    "training_failed",
)

FAULTS: tuple[Fault, ...] = (
    _loud(
        "learning rate × 100",
        "setting of the optimiser",
        "every step of the parameters is made 100 times as long",
        *_TOO_LARGE,
    ),
    _loud(
        "rewards × 1000",
        "in the environment",
        "in the rollout store",
        "value_loss_explosion",
        "rewards_altered",
    ),
    _loud(
        "learning rate 1e-9",
        "setting of the optimiser",
        "every step of the parameters is undone",
        "policy_frozen",
        "vanishing_gradient",
    ),
    _loud(
        "zero rewards", "in the environment", "in the rollout store", "no_reward_signal", "rewards_altered"
    ),
    _loud(
        "frozen critic",
        "the value coefficient is 0",
        "the gradient of the critic is zeroed",
        "critic_untrained",
        "critic_idle",
        "critic_not_learning",
        "value_collapse",
    ),
    _loud(
        "no clipping",
        "settings: clip range 1e6, 40 epochs",
        "40 epochs, and the old log-probs are computed anew in the minibatch gather",
        *_TOO_LARGE,
        "log_probs_recomputed",
    ),
    _loud(
        "negative entropy bonus",
        "the entropy coefficient is -1",
        "the sign of the entropy in the loss, times 100",
        *_TOO_LARGE,
        "implausible_value",
        updates=50,
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
    _silent("advantages shuffled", "in the targets", "in the minibatch gather", "advantages_wrong"),
    _silent("sign flipped", "in the targets", "in the loss", "advantages_wrong", "advantage_sign"),
    _silent(
        "rewards late",
        "by 8 steps in the rollout store",
        "by 1 step in the rollout store",
        "rewards_altered",
        "advantages_wrong",
        only_varying=True,
    ),
    _silent("noisy old log-probs", "in the rollout store", "in the minibatch gather", "stale_log_probs"),
    _silent(
        "recurrent state dropped",
        "in every pass of the rollout",
        "in every other pass of the rollout",
        "stale_log_probs",
        "inexact_log_probs",
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
        return half_of(self.seed)

    @property
    def place(self) -> Place:
        """Where faults are injected."""
        return place_of(self.half)

    @property
    def is_later(self) -> bool:
        """Whether the training is one of those that are longer and damaged later."""
        return self.seed >= LATER_FAULTS_FROM

    @property
    def fault_begins(self) -> int:
        """The first update with a fault, of those trainings that have one."""
        begins = LATER_FAULTY_UPDATE if self.is_later else FIRST_FAULTY_UPDATE
        return begins[self.seed % len(begins)]

    @property
    def updates(self) -> int:
        """The length of the training without a fault."""
        if not self.is_later or self.task == OWN_TASK:
            return UPDATES
        return LATER_UPDATES[self.seed % len(LATER_UPDATES)]

    @property
    def steps(self) -> int:
        """The number of steps of each environment per update, in the trainers of other programs."""
        return LATER_STEPS[self.seed % len(LATER_STEPS)] if self.is_later else STEPS

    @property
    def annealed(self) -> bool:
        """Whether the learning rate falls to 0."""
        return self.seed in ANNEALED_SEEDS and self.task != OWN_TASK

    def faults(self) -> tuple[Fault, ...]:
        """The faults that can be injected into the training."""
        if self.seed in MORE_SEEDS:
            return ()
        return tuple(fault for fault in FAULTS if self._can_have(fault))

    def _can_have(self, fault: Fault) -> bool:
        if fault.only_for and self.trainer not in fault.only_for:
            return False
        if fault.only_discrete and self.task in CONTINUOUS_TASKS:
            return False
        return not (fault.only_varying and self.task in EQUAL_REWARDS)


def half_of(seed: int) -> Half:
    """The half that a training belongs to."""
    return next((half for half, seeds in SEEDS.items() if seed in seeds), "measured")


def place_of(half: Half) -> Place:
    """Where the faults of a half are injected."""
    return "tuning" if half == "tuning" else "measured"


def _bases(seeds: Iterable[int], tasks_of: dict[str, tuple[str, ...]]) -> Iterator[Base]:
    for seed in seeds:
        for trainer, tasks in tasks_of.items():
            yield from (Base(trainer=trainer, task=task, seed=seed) for task in tasks)


BASES: tuple[Base, ...] = (
    *_bases(range(1, LATER_FAULTS_FROM), TASKS_OF),
    *_bases((7, 8, 9, 14, 15, 16, 19, 20, 21), MEASURED_TASKS_OF),
    *_bases((10, 11, 17, 18, 22, 23, 24), MORE_TASKS_OF),
    *_bases((12, 13), {"single_file": MORE_TASKS_OF["single_file"]}),
)

BASE_NAMED = {base.name: base for base in BASES}


def recording_name(base: Base, fault: Fault | None) -> str:
    """The name of the recording of a training, without its ending."""
    return base.name if fault is None else f"{base.name}-{fault.slug}"
