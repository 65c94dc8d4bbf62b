"""Where in a file to start reading for a given event."""

from array import array
from bisect import bisect_right

_SPACING_BYTES = 256 * 1024


class ChunkIndex:
    """Offsets of chunks of one file, about one for each 256 KiB, with the numbers of their first events."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._offsets = array("Q")

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def add(self, number: int, offset: int) -> None:
        """Note that the chunk at `offset` begins with event `number`, unless it is close to another one.

        Both rise from call to call; what was noted before is ignored.
        """
        if not self._offsets or offset - self._offsets[-1] >= _SPACING_BYTES:
            self._numbers.append(number)
            self._offsets.append(offset)

    def find(self, number: int) -> tuple[int, int]:
        """First event and offset of the last noted chunk from which on event `number` can be reached.

        Of the first noted chunk if `number` lies before it. Raises `IndexError` if none was noted.
        """
        index = max(0, bisect_right(self._numbers, number) - 1)
        return self._numbers[index], self._offsets[index]
