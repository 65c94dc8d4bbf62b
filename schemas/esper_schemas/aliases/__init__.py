"""The names under which well-known training libraries log what the catalogue has.

A logged value times the factor of its alias is the value of the catalogue. Each entry was read in the source
of its library, at the version that its table names. A name that means something else than any field, such as
the KL divergence from a reference policy, has no entry and becomes a scalar of the run; so does a name that
libraries use with different meanings. `docs/reference/names.md` lists the tables.
"""

from esper_schemas.aliases.alias import (
    CONVENTIONS,
    ENVIRONMENT_STEPS,
    EPISODE_FIELDS,
    ROLLOUT_FIELDS,
    SETTINGS,
    Alias,
    Kind,
    Library,
)
from esper_schemas.aliases.lookup import (
    ALIASES,
    DROPPED,
    ENV_STEP_NAMES,
    HEADS_PREFIX,
    LIBRARIES,
    OWN_NAMES,
    alias_of,
)

__all__ = [
    "ALIASES",
    "CONVENTIONS",
    "DROPPED",
    "ENVIRONMENT_STEPS",
    "ENV_STEP_NAMES",
    "EPISODE_FIELDS",
    "HEADS_PREFIX",
    "LIBRARIES",
    "OWN_NAMES",
    "ROLLOUT_FIELDS",
    "SETTINGS",
    "Alias",
    "Kind",
    "Library",
    "alias_of",
]
