"""An exponential moving average that is right from its first value on."""


class MovingAverage:
    """Bias-corrected: after n values their weights sum to 1, as those of a mean would."""

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._sum, self.count = 0.0, 0

    @property
    def mean(self) -> float:
        """The average; 0 before the first value."""
        return self._sum / (1.0 - self._momentum**self.count) if self.count else 0.0

    def add(self, value: float) -> None:
        """Take one finite value."""
        self._sum = self._momentum * self._sum + (1.0 - self._momentum) * value
        self.count += 1

    def state(self) -> list[float]:
        """What a checkpoint holds."""
        return [self._sum, self.count]

    def load(self, state: list[float]) -> None:
        """Go on from a state."""
        self._sum, self.count = state[0], int(state[1])
