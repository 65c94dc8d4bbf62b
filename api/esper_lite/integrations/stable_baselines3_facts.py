"""What a model of Stable-Baselines3 tells about its training before it begins."""

import inspect
import math
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from esper_schemas.events import RunStarted

_NOT_SETTINGS = {"self", "env", "_init_setup_model", "args", "kwargs"}
_PACKAGES = ("stable-baselines3", "sb3-contrib", "gymnasium", "torch")


def facts_of(model: Any) -> RunStarted:
    """Return the start of a run, with all parameters of the algorithm in `config`.

    Attributes that another version of the library lacks are left out.
    """
    environments, steps = getattr(model, "n_envs", None), getattr(model, "n_steps", None)
    planned = getattr(model, "_total_timesteps", None)
    size = (environments or 0) * (steps or 0)
    return RunStarted(
        task=_task(model),
        episodes=math.ceil(planned / size) if planned and size else None,
        environments=environments,
        horizon=steps,
        seed=getattr(model, "seed", None),
        device=str(getattr(model, "device", "")),
        clip_range=_initial(getattr(model, "clip_range", None)),
        target_kl=getattr(model, "target_kl", None),
        config=dict(_settings(model)),
    )


def entropy_limit(model: Any) -> float | None:
    """Return the largest possible entropy of the policy in nats; None where that is not fixed.

    It is not for continuous actions, nor for masked ones, whose number of legal choices varies.
    """
    if hasattr(getattr(model, "rollout_buffer", None), "action_masks"):
        return None
    space = model.action_space
    match type(space).__name__:
        case "Discrete":
            choices = [space.n]
        case "MultiDiscrete":
            choices = [int(size) for size in space.nvec.flatten()]
        case "MultiBinary":
            choices = [2] * math.prod(space.shape)
        case _:
            return None
    return sum(math.log(number) for number in choices) or None


def _task(model: Any) -> str:
    """The ID of the environment, or else the name of its class."""
    environments: Any = getattr(getattr(model, "env", None), "unwrapped", None)
    try:
        spec = environments.get_attr("spec", [0])[0]
        return spec.id if spec is not None else type(environments.get_attr("unwrapped", [0])[0]).__name__
    except Exception:  # vectorised environments of others need not have either
        return type(environments).__name__


def _settings(model: Any) -> Iterator[tuple[str, Any]]:
    yield "algorithm", type(model).__name__
    yield "policy", getattr(getattr(model, "policy_class", None), "__name__", None)
    for name in _parameters(type(model)):
        value = getattr(model, name, None)
        if value is not None:
            yield name, _plain(value)
    yield "total_timesteps", getattr(model, "_total_timesteps", None)
    for package in _PACKAGES:
        try:
            yield f"{package} version", version(package)
        except PackageNotFoundError:
            continue


def _parameters(algorithm: type) -> list[str]:
    """The names of the parameters of a class and of those that it inherits from."""
    names: dict[str, None] = {}
    for part in algorithm.__mro__[:-1]:
        for name in inspect.signature(part.__init__).parameters:  # type: ignore[misc]
            names[name] = None
    return [name for name in names if name not in _NOT_SETTINGS | {"policy"}]


def _plain(value: Any) -> Any:
    """The value of a setting; that of a schedule is its value at the beginning."""
    if isinstance(value, type):
        return value.__name__
    initial = _initial(value) if callable(value) else None
    return value if initial is None else initial


def _initial(setting: float | Callable[[float], Any] | None) -> float | None:
    """The number that a setting has at the beginning of the training."""
    try:
        number = setting(1.0) if callable(setting) else setting
        return None if number is None else float(number)
    except Exception:  # a callable that is not a schedule
        return None
