"""A callback for TRL (GRPO, RLOO and other trainers), and for every `Trainer` of transformers.

    from esper_lite.integrations.trl import EsperCallback

    trainer = GRPOTrainer(..., callbacks=[EsperCallback("grpo")])

It records what the trainer logs, every `logging_steps` steps, under the names that transformers gives the
values for TensorBoard and W&B: `reward` is `train/reward`. `kl` is the divergence from the reference policy,
not that of an update.
"""

import weakref
from collections.abc import Mapping
from typing import Any

import msgspec
from transformers import TrainerCallback

from esper_lite.integrations.facts import facts_from
from esper_lite.integrations.recording import Recording, Target, guarded, is_number
from esper_schemas.events import RunStarted

_PREFIXES = {"eval_": "eval/", "test_": "test/"}


class EsperCallback(TrainerCallback):
    """Records the logs of a training; only the first of several processes does, as its numbers are of all.

    run: name of the run, by default that of the training's arguments; or open telemetry. options: the
    keywords of `esper_lite.connect`. No failure of recording ends a training.
    """

    def __init__(self, run: Target = None, **options: Any) -> None:
        options = {"rank": 0, "world_size": 1, **options}
        self._recording = Recording(run, options, "trl")
        finalizer = weakref.finalize(self, self._recording.finish_at_exit)
        finalizer.atexit = False  # at exit the recording ends itself, before its emitter is closed

    @guarded
    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Open the run, with all arguments of the training in `config`."""
        if state.is_world_process_zero:
            self._recording.start(_facts(args, state, parts.get("model")))

    @guarded
    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        """Record the values of a step; the last call of a training has its totals only."""
        numbers = {_named(name): value for name, value in (logs or {}).items() if is_number(value)}
        if numbers:
            self._recording.log(numbers, state.global_step)

    @guarded
    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End the run."""
        self._recording.finish()


def _named(name: str) -> str:
    """Return the name of a value for TensorBoard, or that of the catalogue for the norm before clipping."""
    if name == "grad_norm":
        return "grad_norm_pre_clip"
    for prefix, group in _PREFIXES.items():
        if name.startswith(prefix):
            return group + name.removeprefix(prefix)
    return f"train/{name}"


def _facts(args: Any, state: Any, model: Any) -> RunStarted:
    """What the arguments of a training tell about it; secrets and what is not set are left out."""
    settings = {
        name: value for name, value in args.to_dict().items() if value is not None and "token" not in name
    }
    name = getattr(getattr(model, "config", None), "name_or_path", "") or type(model).__name__
    facts = facts_from({**settings, "model": name}, task=str(getattr(args, "run_name", None) or name))
    return msgspec.structs.replace(facts, episodes=state.max_steps, device=str(getattr(args, "device", "")))
