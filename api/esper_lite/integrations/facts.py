"""What is known of a training before it begins, as `RunStarted`, from the settings of a library."""

import ast
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from esper_schemas.events import RunStarted

Setting = str | int | float | bool | None

_NAMES: dict[str, tuple[str, ...]] = {
    "task": ("env_id", "env_name", "env", "task", "experiment_name", "run_name"),
    "environments": ("num_envs", "n_envs"),
    "horizon": ("num_steps", "n_steps", "num_steps_per_env"),
    "seed": ("seed",),
    "device": ("device",),
    "clip_range": ("clip_coef", "clip_range", "clip_param", "clip_epsilon", "epsilon"),
    "target_kl": ("target_kl",),
    "episodes": ("num_iterations", "num_updates", "max_iterations"),
}
"""Fields of `RunStarted`, and the names that libraries give these settings; the first one counts."""


def flattened(settings: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level: `{"algorithm": {"gamma": 1}}` as `{"algorithm.gamma": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def facts_from(settings: Mapping[str, Any], task: str = "") -> RunStarted:
    """Return what settings tell about a training; all of them are in `config`.

    A setting of a nested group counts by its last name. `task` is used unless a setting names it.
    """
    config = flattened(settings)
    plain = {name.rpartition(".")[2]: value for name, value in reversed(config.items())}
    facts = {field: _first(plain, names) for field, names in _NAMES.items()}
    facts["episodes"] = _whole(facts["episodes"]) or _planned_updates(plain, facts)
    for field in ("environments", "horizon", "seed"):
        facts[field] = _whole(facts[field])
    for field in ("clip_range", "target_kl"):
        facts[field] = _number(facts[field])
    texts = {"task": str(facts["task"] or task), "device": str(facts["device"] or "")}
    return RunStarted(**{**facts, **texts, "config": config})


def merged(given: RunStarted | None, facts: RunStarted) -> RunStarted:
    """Return the facts, with what the program states itself in their place."""
    if given is None:
        return facts
    defaults = RunStarted(task="")
    stated = {
        name: value
        for name, value in msgspec.structs.asdict(given).items()
        if value != getattr(defaults, name)
    }
    return msgspec.structs.replace(facts, **stated | {"config": {**facts.config, **given.config}})


def settings_of_table(text: str) -> dict[str, Setting]:
    """Return the settings in a Markdown table of two columns, as trainers log them as text; maybe none."""
    rows = [line.strip().strip("|").split("|", 1) for line in text.splitlines() if line.count("|") > 2]
    pairs = [(row[0].strip(), row[1].strip()) for row in rows if len(row) == 2]
    return {name: _parsed(value) for name, value in pairs[1:] if name.strip(":- ")}


def _first(settings: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((settings[name] for name in names if settings.get(name) not in (None, "")), None)


def _parsed(text: str) -> Setting:
    """Return the number, flag or None that a text stands for, else the text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, str | int | float | bool | None) else text


def _planned_updates(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> int | None:
    total, environments = _whole(settings.get("total_timesteps")), _whole(facts["environments"])
    size = (environments or 1) * (_whole(facts["horizon"]) or 0)
    return total // size if total and size else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or number != number // 1 else int(number)


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
