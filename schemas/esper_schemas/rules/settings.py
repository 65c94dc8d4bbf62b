"""The settings of a training that decide whether a rule applies, under the names that libraries give them."""

from collections.abc import Mapping
from typing import Any, Literal

from esper_schemas.rules.precision import is_low_precision

Setting = Literal["epochs", "target_kl", "low_precision"]

NAMES: Mapping[Setting, tuple[str, ...]] = {
    "epochs": (
        "epochs",
        "n_epochs",
        "update_epochs",
        "num_epochs",
        "ppo_epochs",
        "num_ppo_epochs",
        "num_learning_epochs",
        "learning_epochs",
        "n_updates_per_iteration",
        "K_epochs",
    ),
    "target_kl": ("target_kl", "kl_target", "desired_kl", "kl_threshold", "early_stop_kl"),
}
"""The names of each setting in the configurations of training libraries, the own one first."""

Settings = Mapping[Setting, float]
"""The settings that are known; `target_kl` is 0 where it is switched off, and `low_precision` is 1 where
products may be less exact than float32."""


def settings_of(config: Mapping[str, Any], device: str | None = None) -> Settings:
    """Return the settings that the configuration of a run tells; device: where it computes."""
    found = {setting: _setting(config, names) for setting, names in NAMES.items()}
    on = str(config.get("device", "")) if device is None else device
    found["low_precision"] = 1.0 if is_low_precision(config, on) else None
    return {setting: value for setting, value in found.items() if value is not None}


def _setting(config: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        if name in config:
            return _number(config[name])
    return None


def _number(value: object) -> float | None:
    """Return a setting as a number; nothing is 0, and text that is not a number is unknown."""
    if value is None or value in ("", "None", "none", "null"):
        return 0.0
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
