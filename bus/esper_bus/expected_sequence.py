"""Which event of a stream comes next, and so which events are new, repeated or behind a gap."""


class ExpectedSequence:
    """The number of the next event of one stream.

    The numbers of a stream have no gaps: a higher number than `next_seq` means that events are missing, a
    lower one that the event was taken before.
    """

    __slots__ = ("next_seq",)

    def __init__(self, next_seq: int = 0) -> None:
        self.next_seq = next_seq

    def take(self, seq: int) -> bool:
        """Take event `seq` if it is the next one; returns whether it is."""
        if seq != self.next_seq:
            return False
        self.next_seq += 1
        return True

    def missing_before(self, seq: int) -> int:
        """The number of events that are missing before event `seq`."""
        return max(0, seq - self.next_seq)

    def repeated(self, first: int, count: int) -> int:
        """How many of `count` consecutive events from number `first` on were taken before."""
        return min(max(0, self.next_seq - first), count)

    def skip_to(self, seq: int) -> int:
        """Expect event `seq` next unless a later one is expected; returns how many events are passed over."""
        missing = self.missing_before(seq)
        self.next_seq += missing
        return missing
