"""One table of the names of all libraries and of the catalogue, and what it says about a name."""

import re
from functools import lru_cache

from esper_schemas.aliases.alias import EPISODE_FIELDS, ROLLOUT_FIELDS, Alias, Library
from esper_schemas.aliases.frameworks import (
    PUFFERLIB,
    RLLIB,
    SAMPLE_FACTORY,
    SHEEPRL,
    TIANSHOU_ROLLOUTS,
    TIANSHOU_UPDATES,
    TORCHRL,
)
from esper_schemas.aliases.language_models import OPENRLHF, TRL, TRL_CLASSIC, VERL
from esper_schemas.aliases.simulation import ML_AGENTS, RL_GAMES, RSL_RL, SKRL
from esper_schemas.aliases.single_file import (
    BASELINES,
    CLEANRL,
    PLAIN,
    STABLE_BASELINES,
    STABLE_BASELINES3,
)
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, HEAD_FAMILIES, head_field

LIBRARIES: tuple[Library, ...] = (
    STABLE_BASELINES3,
    CLEANRL,
    STABLE_BASELINES,
    BASELINES,
    RSL_RL,
    RL_GAMES,
    SKRL,
    ML_AGENTS,
    RLLIB,
    TORCHRL,
    TIANSHOU_UPDATES,
    TIANSHOU_ROLLOUTS,
    PUFFERLIB,
    SAMPLE_FACTORY,
    SHEEPRL,
    TRL,
    TRL_CLASSIC,
    VERL,
    OPENRLHF,
    PLAIN,
)

_NOT_IN_TENSORBOARDX = re.compile(r"[^-/\w.]")


def _written(name: str) -> tuple[str, str]:
    """Return the name as it is and as tensorboardX writes it, which replaces spaces and parentheses."""
    return name, _NOT_IN_TENSORBOARDX.sub("_", name)


OWN_NAMES = {name: Alias(name) for name in (*CATALOGUE, *ROLLOUT_FIELDS, *EPISODE_FIELDS)}
"""The catalogue's own names, which mean the same whatever library is used."""

ALIASES: dict[str, Alias] = {
    written: alias
    for library in LIBRARIES
    for name, alias in library.aliases.items()
    for written in _written(name)
} | OWN_NAMES
"""All names that have a meaning: those of the libraries, and the catalogue's own."""

DROPPED: frozenset[str] = frozenset().union(*(library.dropped for library in LIBRARIES))


def _names(env_steps: bool) -> frozenset[str]:
    """Return the names of the libraries whose step counts environment steps, or of the others."""
    libraries = (library for library in LIBRARIES if library.step_is_env_steps is env_steps)
    return frozenset(
        written for library in libraries for name in library.aliases for written in _written(name)
    )


ENV_STEP_NAMES: frozenset[str] = _names(env_steps=True) - _names(env_steps=False)
"""Names whose step is the number of environment steps so far, in every library that logs them."""

HEADS_PREFIX = "heads/"
"""`heads/NAME/entropy` and so on are measurements of one action head."""


@lru_cache(maxsize=8192)
def alias_of(name: str) -> Alias | None:
    """Return what a logged name means; None for a scalar of the run."""
    return ALIASES.get(name) or _head_alias(name)


def _head_alias(name: str) -> Alias | None:
    if not name.startswith(HEADS_PREFIX):
        return None
    head, _, family = name.removeprefix(HEADS_PREFIX).rpartition("/")
    if not head or family not in (*HEAD_FAMILIES, "std"):
        return None
    if head in HEADS:
        return Alias(head_field(head, family)) if family in HEAD_FAMILIES else None
    return Alias(family, head=head)
