"""Levels of one producer's own past, with which its new values are compared.

What is a large value loss or a high return depends on the task; what is unusual for a run follows from the
run itself. Outliers have little effect on a level.
"""

import sys
from dataclasses import dataclass, field
from math import inf, isfinite

from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.entropy_fall import CLEARLY_UNSURE, entropy_fall
from esper_schemas.rules.quantities import FALL_WITHIN

FEWEST = 8
"""Values that a level needs before others are compared with it."""

FLOOR = 0.01
"""Values are compared with at least this share of the highest level: a loss that was nearly 0 may be usual
again."""

LEVEL_RATE = 0.1
"""The weight of a new value in a level, by the logarithm."""

SETTLED = 9
"""Values after which each has the same weight in a level; those before are averaged."""

MAX_GROWTH, LEAST_GROWTH = 2.0, 0.5
"""A value moves a level as if it were at most this many times larger or smaller."""

START = 5
"""Updates whose largest entropy is that of the start."""

DISCRETE_ENTROPY = 0.35
"""Ten times the entropy, in nats, below which a choice is nearly certain, whatever the number of choices."""

CLEAR_GROWTH = 20.0
"""Below this growth, a value loss that is large beside the variance of the returns is a new critic's."""

LEARNT_LOSS = 1e-6
"""A value loss below this leaves nothing to learn, so that its gradient may vanish."""

EXPLAINED = 0.3
TOLERANCE_OF_NEW_CRITIC = 50.0
"""The loss of a critic that never explained more than `EXPLAINED` may grow this many times as much: the first
reward is large beside none."""

NEGLIGIBLE = 0.5
"""Where a value loss is below this share of the run's mean, returns vary less than they usually do, and
the explained variance compares two small numbers."""

MOST_COUNTED = 50.0
"""A value loss counts as at most this many times the mean, so that one that explodes hides no later one."""

ANNEALED = 0.02
"""A learning rate below this share of the largest one hardly changes the policy."""

SUDDEN = 3.0
"""A learning rate that falls by more than this factor at once was not annealed."""

MOVED = 0.003
"""A KL divergence after the last step above which the policy has moved, whatever minibatches say."""

LARGE_KL = 0.05
"""Below this, in nats, a KL divergence is not large, however small it usually is."""

MOST_CORRELATION = 0.15
"""What one update counts for, at most, when the correlations of advantages and changes are added up."""

UNSEEN = 1e-6
"""The share of the KL divergence after the last step below which the minibatches have seen nothing of it."""

LEAST_ENTROPY, LEAST_KL, LEAST_SPREAD = 0.1, 1e-7, 0.01
"""Below these an update can hardly learn anything: shares of the largest or first entropy, the KL divergence,
and the spread of the returns as a share of their mean."""

_LARGEST, _SMALLEST = sys.float_info.max, sys.float_info.min


@dataclass(slots=True)
class Level:
    """The usual value of a positive quantity: a geometric mean on which outliers have little effect.

    highest: the largest usual value so far.
    """

    value: float = 0.0
    count: int = 0
    highest: float = 0.0

    def growth(self, value: float | None) -> float | None:
        """Return a value over the level, and add it.

        None while there are too few values, and for one that is not positive and finite.
        """
        if value is None or not 0.0 < value < _LARGEST:
            return None
        count, before, highest = self.count, self.value, self.highest
        self.count = count + 1
        if count == 0:
            self.value = value
            return None
        change = value / before
        if change > MAX_GROWTH:
            change = MAX_GROWTH
        elif change < LEAST_GROWTH:
            change = LEAST_GROWTH
        level = before * change ** (LEVEL_RATE if count >= SETTLED else 1.0 / (count + 1))
        self.value = level if level > _SMALLEST else _SMALLEST
        if level > highest and count >= FEWEST - 1:
            self.highest = level
        if count < FEWEST:
            return None
        floor = FLOOR * highest
        grown = value / (before if before > floor else floor)
        return grown if grown < _LARGEST else _LARGEST


@dataclass(slots=True)
class UpdateLevels:
    """What is remembered of a producer's updates.

    `mean_loss` is the running mean of the value loss. `learning_rate` is the last one, `highest_rate` the
    largest, and `annealed` tells whether it has become nearly 0 little by little. `entropy_shares` are the
    newest ones.
    `entropy_start` is the largest entropy of the first updates; it is None once an entropy was negative, as
    it is then that of a density. `best_explained` is the largest explained variance so far, and
    `returns_undefined` tells whether the last one was NaN. `reversal` is the sum by which newest
    correlations of advantages and changes were negative.
    """

    value_loss: Level = field(default_factory=Level)
    kl: Level = field(default_factory=Level)
    gradient: Level = field(default_factory=Level)
    mean_loss: float = 0.0
    learning_rate: float = 0.0
    highest_rate: float = 0.0
    annealed: bool = False
    entropy_shares: tuple[float | None, ...] = ()
    entropies: int = 0
    entropy_start: float | None = 0.0
    best_explained: float | None = None
    returns_undefined: bool = False
    reversal: float = 0.0


UpdateQuantities = tuple[float | None, ...]
"""The values of `watches.RELATIVE`, in their order."""


def update_quantities(levels: UpdateLevels, payload: PPOUpdatePayload) -> UpdateQuantities:
    """Return what follows from an update and those before it, and remember it.

    A value that was not measured, or is not finite, gives None: the latter is a symptom of its own.
    """
    explained, loss, size = payload.explained_variance, payload.value_loss, payload.kl_divergence
    if size is not None:
        size = abs(size) if isfinite(size) else None
    undefined = None if explained is None else _is_undefined(levels, explained)
    best = _best_explained(levels, explained)
    growth = levels.value_loss.growth(loss)
    if growth is not None and best is not None and best <= EXPLAINED:
        growth /= TOLERANCE_OF_NEW_CRITIC
    kl_growth = levels.kl.growth(size)
    entropy_share = _entropy_share(levels, payload.entropy)
    moved = payload.clip_fraction or (payload.kl_final is not None and payload.kl_final > MOVED)
    return (
        _spread(payload),
        _value_error(payload) if growth is not None and growth > CLEAR_GROWTH else None,
        growth,
        size,
        kl_growth if size is not None and size > LARGE_KL else None,
        None if _is_annealed(levels, payload.learning_rate) or moved else size,
        levels.gradient.growth(payload.grad_norm_pre_clip),
        entropy_share,
        _policy_entropy_fall(levels, payload.entropy_normalized, entropy_share),
        undefined,
        _explained_returns(levels, explained, loss),
        best,
        _value_gradient(payload) if loss is not None and LEARNT_LOSS <= loss < _LARGEST else None,
        _reversal(levels, payload, entropy_share),
        _unseen_kl(payload, size),
    )


def _spread(payload: PPOUpdatePayload) -> float | None:
    """Return the spread of the values over that of the returns; undefined where returns do not vary."""
    values, returns = payload.value_std, payload.return_std
    if values is None or returns is None or not 0.0 < returns < inf or not -inf < values < inf:
        return None
    spread = values / returns
    return spread if spread < _LARGEST else _LARGEST


def _value_error(payload: PPOUpdatePayload) -> float | None:
    """Return the mean squared error, twice the value loss, over the variance of the returns."""
    loss, deviation = _positive(payload.value_loss), _positive(payload.return_std)
    if loss is None or deviation is None or payload.return_variance_low:
        return None
    return ratio(loss / deviation, deviation / 2.0)


def _entropy_share(levels: UpdateLevels, entropy: float | None) -> float | None:
    """Return an entropy over that of the start, or over a small absolute one, whichever is less."""
    start = levels.entropy_start
    if entropy is None or start is None or not isfinite(entropy):
        return None
    if entropy < 0.0:
        levels.entropy_start = None
        return None
    if levels.entropies < START:
        levels.entropies += 1
        levels.entropy_start = start = max(start, entropy)
    return ratio(entropy, start if start > DISCRETE_ENTROPY else DISCRETE_ENTROPY)


def _is_undefined(levels: UpdateLevels, explained_variance: float) -> float:
    """Return 1 where an explained variance is NaN, because all returns are equal, and 0 where it is not.

    When returns begin to vary the value loss begins to have another level.
    """
    undefined = explained_variance != explained_variance
    if levels.returns_undefined and not undefined:
        levels.value_loss = Level()
    levels.returns_undefined = undefined
    return 1.0 if undefined else 0.0


def _explained_returns(
    levels: UpdateLevels, explained_variance: float | None, loss: float | None
) -> float | None:
    """Return an explained variance, None where the value loss is negligible."""
    if loss is not None and 0.0 < loss < _LARGEST:
        mean = levels.mean_loss
        counted = loss if loss < MOST_COUNTED * mean else MOST_COUNTED * mean
        levels.mean_loss = mean = mean + LEVEL_RATE * (counted - mean) if mean > 0.0 else loss
        if loss < NEGLIGIBLE * mean:
            return None
    return explained_variance


def _is_annealed(levels: UpdateLevels, learning_rate: float | None) -> bool:
    """Return whether the learning rate has become nearly 0 little by little, and remember it."""
    if learning_rate is None or not 0.0 <= learning_rate < inf:
        return False
    last, levels.learning_rate = levels.learning_rate, learning_rate
    if learning_rate > levels.highest_rate:
        levels.highest_rate = learning_rate
    least = ANNEALED * levels.highest_rate
    if learning_rate >= least:
        levels.annealed = False
    elif not levels.annealed:
        levels.annealed = last >= least and learning_rate * SUDDEN >= last
    return levels.annealed


def _policy_entropy_fall(
    levels: UpdateLevels, normalized: float | None, share_of_start: float | None
) -> float | None:
    share = share_of_start if normalized is None else normalized
    past, levels.entropy_shares = levels.entropy_shares, (*levels.entropy_shares[1 - FALL_WITHIN :], share)
    return entropy_fall(share, past, CLEARLY_UNSURE)


def _best_explained(levels: UpdateLevels, explained_variance: float | None) -> float | None:
    best = levels.best_explained
    if explained_variance is None:
        return best
    if (best is None or explained_variance > best) and isfinite(explained_variance):
        levels.best_explained = best = explained_variance
    return best


def _reversal(levels: UpdateLevels, payload: PPOUpdatePayload, entropy_share: float | None) -> float | None:
    """Return by how much the correlations of advantages and what updates did are negative, in sum.

    It is the cumulative sum of Page (1954), which positive ones reduce, to 0 at least. An update does not
    count if the policy is nearly certain or did not move, or if returns are nearly equal: what is left is
    noise.
    """
    correlation = payload.advantage_correlation
    if correlation is None or not isfinite(correlation) or not _can_learn(payload, entropy_share):
        return None
    if correlation > MOST_CORRELATION:
        correlation = MOST_CORRELATION
    elif correlation < -MOST_CORRELATION:
        correlation = -MOST_CORRELATION
    reversal = levels.reversal - correlation
    levels.reversal = reversal = reversal if reversal > 0.0 else 0.0
    return reversal


def _unseen_kl(payload: PPOUpdatePayload, size: float | None) -> float | None:
    """Return the KL divergence after the last step if no minibatch has seen the policy move, otherwise 0."""
    final = payload.kl_final
    if final is None or size is None or payload.clip_fraction is None or not isfinite(final):
        return None
    return final if size <= UNSEEN * final and payload.clip_fraction == 0.0 else 0.0


def _can_learn(payload: PPOUpdatePayload, entropy_share: float | None) -> bool:
    if entropy_share is not None and entropy_share < LEAST_ENTROPY:
        return False
    entropy, kl = payload.entropy_normalized, payload.kl_divergence
    if (entropy is not None and entropy < LEAST_ENTROPY) or (kl is not None and -LEAST_KL < kl < LEAST_KL):
        return False
    deviation, mean = payload.return_std, payload.return_mean
    return deviation is None or mean is None or deviation >= LEAST_SPREAD * abs(mean)


def _value_gradient(payload: PPOUpdatePayload) -> float | None:
    """Return the gradient of the critic, as a norm or a share, whichever is less."""
    norm, share = payload.value_grad_norm, payload.value_gradient_share
    if norm is None or not isfinite(norm):
        return _finite(share)
    return share if share is not None and share < norm and isfinite(share) else norm


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _positive(value: float | None) -> float | None:
    return value if value is not None and 0.0 < value < _LARGEST else None


def ratio(value: float, level: float) -> float:
    """Return a finite ratio, whatever the two are."""
    found = value / level if level > 0.0 else _LARGEST
    return found if found < _LARGEST else _LARGEST
