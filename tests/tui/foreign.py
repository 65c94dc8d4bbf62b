"""Snapshots of other trainers than Esper's own: Stable-Baselines3, and scalars only, many or hostile."""

import math

from msgspec import structs

from esper_schemas import TamiyoState, trend
from esper_schemas.declarations import MetricSpec
from esper_schemas.events import PPOUpdateCompleted, RunStarted, ScalarsLogged
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.snapshot import EventEntry, LinkHealth, RankState, RunInfo, SanctumSnapshot, ScalarState

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
UPDATES, STEP = 17, 34_816
LOGGED = {
    "policy_loss": (-0.02, -0.01),
    "value_loss": (8.0, 2.0),
    "entropy": (0.69, 0.52),
    "kl_divergence": (0.004, 0.008),
    "clip_fraction": (0.05, 0.11),
    "explained_variance": (0.0, 0.81),
}
OWN = {
    "train/loss": (50.0, 33.4),
    "train/clip_range": (0.2, 0.2),
    "train/n_updates": (80.0, 170.0),
    "time/iterations": (8.0, 17.0),
    "time/time_elapsed": (21.0, 41.0),
    "rollout/success_rate": (0.0, 0.42),
}
SUCCESS = MetricSpec(
    name="rollout/success_rate",
    unit="share",
    meaning="Share of the episodes that reach the goal.",
    warning_below=0.5,
    good="rising",
)
HOSTILE_NAMES = (
    "\x1b[2Jevil/\x1b]52;c;ZXZpbA==\x07",
    "日本語/" + "長い" * 40,
    "/",
    "",
    "a" * 5_000,
    "tab\t/new\nline",
    "\u202eright/to/left",
)


def between(ends, number=10):
    """Values from the first to the last of two, in equal steps."""
    first, last = ends
    return tuple(first + (last - first) * n / (number - 1) for n in range(number))


def scalar(ends, update=UPDATES, step=STEP):
    """A scalar with ten values."""
    history = between(ends)
    return ScalarState(value=history[-1], update=update, step=step, history=history)


def without_heads():
    """The fields that an update of another trainer does not measure; their defaults are not None."""
    defaults = TamiyoState()
    return {
        f: None for f in PPOUpdatePayload.__struct_fields__ if isinstance(getattr(defaults, f, None), float)
    }


def sb3_state(**fields):
    """The learner after 17 updates of which Stable-Baselines3 logged its few values."""
    histories = {name: between(ends) for name, ends in LOGGED.items()}
    measured = {
        **{name: history[-1] for name, history in histories.items()},
        **{f"{name}_history": history for name, history in histories.items()},
        "trends": {name: trend(history, 0.15) for name, history in histories.items()},
        "learning_rate": 0.0003,
    }
    counts = {"ppo_data_received": True, "ppo_updates_count": UPDATES, "last_update": UPDATES}
    return TamiyoState(**(without_heads() | measured | counts | fields))


def sb3(state=None, **fields):
    """A run of Stable-Baselines3: its update, the scalars that have no field, and an evaluation long ago."""
    state = state or sb3_state()
    scalars = {name: scalar(ends) for name, ends in OWN.items()}
    scalars |= {f"eval/{name}": scalar((20, 201.2), 10, 20_480) for name in ("mean_reward", "mean_ep_length")}
    facts = {
        "events_folded": 40,
        "run": sb3_run(),
        "tamiyo": state,
        "histories": {
            **{name: between(ends) for name, ends in LOGGED.items()},
            "learning_rate": (3e-4,) * 10,
        },
        "scalars": scalars,
        "metric_specs": {SUCCESS.name: SUCCESS},
        "recent_events": _events(),
        "link": LinkHealth(events=40, lag_ms=4.0),
        "ranks": (
            RankState(
                producer="trainer:0",
                updates=UPDATES,
                last_update=UPDATES,
                last_event_ns=NOW - SECOND,
                steps_per_second=812.0,
            ),
        ),
    }
    return SanctumSnapshot(**(facts | fields))


def sb3_run(**fields):
    """What is known of the run itself."""
    facts = {
        "run": "cartpole-2",
        "task": "cartpole",
        "mean_return": 195.3,
        "mean_return_history": between((20, 195.3), 17),
        "mean_length": 195.3,
        "env_steps_total": STEP,
        "last_step": STEP,
        "steps_per_second": 812.0,
        "last_event_ns": NOW - SECOND,
        "conventions": {"kl_divergence": "k3"},
    }
    return RunInfo(**(facts | fields))


def _events():
    kinds = (RunStarted, ScalarsLogged, PPOUpdateCompleted)
    texts = ("cartpole", "13 values at step 34816", "update 17: policy loss -0.010, value loss 2.000")
    return tuple(
        EventEntry(at_ns=NOW - (9 - n) * SECOND, producer="trainer:0", kind=kind.__name__, text=text)
        for n, (kind, text) in enumerate(zip(kinds * 3, texts * 3, strict=True))
    )


def own_scalars_only():
    """A run that logs nothing of the catalogue: there are no updates, and no returns."""
    names = ("score", "response/length", "response/truncated", "kl_ref", "reward_model/mean")
    scalars = {name: scalar((0, 1.5 * n), 0, 100 * n) for n, name in enumerate(names, 1)}
    run = RunInfo(run="rlhf", task="rlhf", last_step=500, last_event_ns=NOW - SECOND)
    return sb3(TamiyoState(), run=run, scalars=scalars, histories={}, metric_specs={})


def many_scalars(number=2_000):
    """A run with a scalar for each of many layers, beside the few of the library."""
    snapshot = sb3()
    layers = {
        f"layers/policy.{n // 4}.{('weight', 'bias', 'norm', 'scale')[n % 4]}": scalar((0.0, 0.1 * n))
        for n in range(number - len(snapshot.scalars))
    }
    return structs.replace(snapshot, scalars={**layers, **snapshot.scalars})


def hostile_scalars():
    """Names from the network that try to disturb the terminal, and values that are no numbers."""
    values = (math.nan, math.inf, -math.inf, 1e300, -0.0, None, 5e-324)
    scalars = {
        name: ScalarState(value=value, update=2**62, step=-(2**62), history=(value, 1.0, value))
        for name, value in zip(HOSTILE_NAMES, values, strict=True)
    }
    specs = {
        name: MetricSpec(name=name, unit=name, meaning=name, critical_above=1.0, precision=100)
        for name in HOSTILE_NAMES[::2]
    }
    return sb3(scalars=scalars, metric_specs=specs)


FOREIGN = {
    "foreign": sb3,
    "own-scalars": own_scalars_only,
    "many-scalars": many_scalars,
    "hostile-scalars": hostile_scalars,
}
"""The snapshots of which frames are kept."""
