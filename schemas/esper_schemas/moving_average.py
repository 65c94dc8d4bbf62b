"""The exponential moving average that the fold and the anomaly detector share."""

from dataclasses import dataclass


@dataclass(slots=True)
class MovingAverage:
    """A bias-corrected exponential moving average of `count` values: their weights always sum to 1.

    `momentum`, between 0 and 1, is the weight that each value keeps when the next one is added. It must be
    the same in all calls; it is a constant of the caller, not a part of the state.
    """

    weighted: float = 0.0
    count: int = 0

    def mean(self, momentum: float) -> float:
        """Return the average; 0 before the first value."""
        return self.weighted / (1.0 - momentum**self.count) if self.count else 0.0

    def add(self, value: float, momentum: float) -> None:
        """Add a finite value."""
        self.weighted = momentum * self.weighted + (1.0 - momentum) * value
        self.count += 1
