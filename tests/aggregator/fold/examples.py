"""Events for tests of the fold."""

from esper_schemas import events as e
from esper_schemas.payload import PPOUpdatePayload


def update(number, **fields):
    """A PPO update with some measurements."""
    return e.PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(**fields))


def rollout(number, mean_return=1.0, **fields):
    """A rollout with a mean return."""
    return e.RolloutCompleted(
        update=number,
        env_steps=1,
        env_steps_total=number,
        steps_per_second=1.0,
        duration_ms=1.0,
        mean_return=mean_return,
        **fields,
    )


def explosion(head, number=1, ratios=(9.0,)):
    """The diagnosis of a head's ratio explosion."""
    return e.RatioExplosionDiagnosed(
        update=number, head=head, ratios=ratios, steps=(0,), environments=(0,), actions=(1,)
    )


def log_line(level, message="m", **fields):
    """A line of a trainer's log."""
    return e.LogRecorded(level=level, message=message, fields=fields)
