"""Reads records one batch at a time, without losing the one that ended a batch."""

from collections.abc import Iterator

from esper_bus.records import RawRecord, consecutive, record_data, take_batch


class BatchReader:
    """Divides `records` into batches of consecutive records of one stream."""

    def __init__(self, records: Iterator[RawRecord]) -> None:
        self._records = records
        self._ahead: RawRecord | None = None  # read, but in no batch yet

    def take(self, max_events: int, max_bytes: int) -> list[RawRecord]:
        """The next batch within the limits, as `take_batch` applies them; empty at the end."""
        batch = take_batch(consecutive(self._pull()), max_events, max_bytes, record_data)
        if batch and batch[-1] is self._ahead:
            self._ahead = None
        return batch

    def _pull(self) -> Iterator[RawRecord]:
        while (record := self._ahead or next(self._records, None)) is not None:
            self._ahead = record
            yield record
            self._ahead = None
