"""How updates, rollouts and episodes change what is remembered of a producer's training."""

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from esper_aggregator.fold.own_heads import with_known_heads
from esper_aggregator.fold.run_state import LoggedState, ProducerState, RunState
from esper_aggregator.fold.size_limits import bounded_count, bounded_event
from esper_schemas import events as e
from esper_schemas.collapse import collapse_risk_score
from esper_schemas.drift import gradient_drift
from esper_schemas.moving_average import MovingAverage
from esper_schemas.rules.declared_ranges import Definitions
from esper_schemas.rules.non_finite import latch

_Numbered = TypeVar("_Numbered")


def begin(producer: ProducerState) -> None:
    """Begin the training of a process; its first update decides whether it continues the one before."""
    producer.finished = producer.escalation = None
    producer.first_update = producer.first_rollout = True
    producer.training_since_ns, producer.training_since_update = None, 0
    producer.episodes.clear()
    producer.logged = LoggedState(conventions=producer.logged.conventions)


def update_completed(
    state: RunState, producer: ProducerState, event: e.PPOUpdateCompleted, *, late: bool
) -> e.PPOUpdateCompleted:
    """Add a PPO update. Counts and latches include late ones; histories do not.

    Returns the update as it is kept: with the heads that are known.
    """
    if event.payload.heads or producer.heads:
        event = with_known_heads(state, producer, event)
    if producer.first_update and not late:
        _begin_updates(producer, event.update)
    if late or not _is_within_bounds(state, producer, event):
        latch(producer.nan_latch, producer.inf_latch, event.payload)
    producer.updates += 1
    if late:
        return event
    producer.ppo_updates.append(event)
    producer.last_update = event.update
    entropies = [update.payload.entropy_normalized for update in producer.ppo_updates]
    producer.collapse_risk = collapse_risk_score(entropies, producer.collapse_risk)
    norm = event.payload.grad_norm_pre_clip
    producer.gradient_drift = gradient_drift(norm, producer.average_grad_norm)
    return event


def _is_within_bounds(state: RunState, producer: ProducerState, event: e.PPOUpdateCompleted) -> bool:
    """Add an update to the streaks; return whether all its values are within bounds."""
    watchlist, symptoms, heads = state.watchlist, producer.symptoms, event.payload.heads
    within = not heads or watchlist.heads_measured(symptoms, event, producer.heads, producer.ppo_updates)
    definitions = Definitions(producer.heads.values(), producer.logged.conventions)
    past = producer.ppo_updates
    completed = watchlist.update_completed(symptoms, event.update, event.payload, past, definitions)
    return completed and within


def rollout_completed(
    state: RunState, producer: ProducerState, event: e.RolloutCompleted, *, late: bool
) -> None:
    """Add a rollout. Counts of faults include late ones; histories do not."""
    producer.rollbacks = _total(producer.rollbacks, event.rollbacks)
    producer.returns_not_finite = _total(producer.returns_not_finite, event.returns_not_finite)
    if late:
        return
    if producer.first_rollout:
        _begin_rollouts(producer, event.update)
    producer.rollouts.append(bounded_event(event))
    producer.returns.append((event.update, event.mean_return))
    baseline = producer.started.baseline_return if producer.started else None
    state.watchlist.rollout_completed(producer.symptoms, event, baseline)


def _total(total: int | None, count: int | None) -> int | None:
    """Add a count to a total, which is None until something was counted."""
    return total if count is None else bounded_count((total or 0) + max(0, count))


def episode_completed(
    producer: ProducerState, emitted_ns: int, event: e.EpisodeCompleted, *, late: bool
) -> None:
    """Add an episode. The count includes late ones; the list does not."""
    producer.episodes_completed += 1
    if not late:
        producer.episodes.append((emitted_ns, event))


def _begin_updates(producer: ProducerState, update: int) -> None:
    """Continue the histories if they led to the first update of a process, else begin them anew."""
    producer.first_update, producer.collapse_risk = False, None
    producer.training_since_update = update
    _keep_what_led_to(update, producer.ppo_updates, lambda before: before.update)
    producer.updates = min(producer.updates, max(update - 1, 0))  # the others are made again
    if update <= 1:
        producer.symptoms.begin_updates()
        producer.average_grad_norm = MovingAverage()


def _begin_rollouts(producer: ProducerState, update: int) -> None:
    producer.first_rollout = False
    _keep_what_led_to(update, producer.returns, lambda before: before[0])
    _keep_what_led_to(update, producer.rollouts, lambda before: before.update)
    if update <= 1:
        producer.symptoms.begin_rollouts()


def _keep_what_led_to(update: int, history: deque[_Numbered], number_of: Callable[[_Numbered], int]) -> None:
    """Cut a history back to what precedes an update; clear it if updates are missing in between."""
    while history and number_of(history[-1]) >= update:
        history.pop()
    if history and number_of(history[-1]) != update - 1:
        history.clear()
