"""How often a bound on gradient drift would be wrong: the reason why no rule has one.

A common bound is a norm that differs by half from its exponential moving average. Healthy gradients do that
all the time, so that the rule `exploding_gradient` asks for 30 times the level of the run instead.
"""

from collections.abc import Iterable, Iterator

from benchmarks.verdicts.checks import recorded
from benchmarks.verdicts.recording_file import Recording

from esper_schemas.drift import MOMENTUM, WARM_UP
from esper_schemas.moving_average import MovingAverage

HALF = 0.5
IN_A_ROW = 3


def drift_lines(recordings: Iterable[Recording]) -> Iterator[str]:
    """The share of healthy updates with such a drift, and how often three in a row begin."""
    rows = [list(drifts(recorded(each, "grad_norm_pre_clip"))) for each in recordings if not each.fault]
    updates = sum(map(len, rows))
    if not updates:
        return
    beyond = sum(drift > HALF for row in rows for drift in row)
    begun = sum(map(beginnings, rows))
    yield f"== gradient norms that differ from their running mean by more than {HALF:.0%} of it"
    yield (
        f"{beyond:,} of {updates:,} healthy updates ({1000 * beyond / updates:.0f} per 1,000); "
        f"{IN_A_ROW} in a row begin {begun:,} times ({1000 * begun / updates:.1f} per 1,000)"
    )


def drifts(norms: Iterable[float]) -> Iterator[float]:
    """The difference of each norm from the running mean of those before it, as a share of that mean."""
    average = MovingAverage()
    for norm in norms:
        if average.count >= WARM_UP:
            mean = average.mean(MOMENTUM)
            yield abs(norm - mean) / mean if mean > 0.0 else 0.0
        average.add(norm, MOMENTUM)


def beginnings(drifts_of_run: Iterable[float]) -> int:
    """How often a drift has lasted for three updates in a row."""
    lasted, begun = 0, 0
    for drift in drifts_of_run:
        lasted = lasted + 1 if drift > HALF else 0
        begun += lasted == IN_A_ROW
    return begun
