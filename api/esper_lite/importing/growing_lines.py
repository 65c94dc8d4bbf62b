"""The complete lines of a text file that another program may be writing."""

from collections.abc import Iterator
from pathlib import Path

from esper_lite.importing.growing_file import BLOCK_BYTES, open_regular
from esper_lite.importing.rows import NotRead

MAX_LINE_BYTES = 16 * 1024 * 1024
TOO_LONG = "lines of more than 16 MiB"
INCOMPLETE = "incomplete lines at the end"

_TAIL_BYTES = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class GrowingLines:
    """Reads lines in blocks; holds no more than one block and one line in memory."""

    def __init__(self, path: Path, not_read: NotRead) -> None:
        self._path, self._not_read = path, not_read
        self._offset = 0
        self._rest = b""
        self._too_long = False

    def head(self, lines: int) -> bytes:
        """The bytes of the first lines, at most the first MiB of the file. Raises `OSError`."""
        with open_regular(self._path) as file:
            parts = file.read(BLOCK_BYTES).split(b"\n", lines)
        return b"\n".join([*parts[:lines], b""] if len(parts) > lines else parts)

    def begin_with(self, head: bytes) -> bool:
        """Whether the file still begins with these bytes. Raises `OSError`."""
        with open_regular(self._path) as file:
            return file.read(len(head)) == head

    def last_complete(self) -> bytes:
        """Return the last line that has a line end, if it is among the last 64 KiB. Raises `OSError`."""
        with open_regular(self._path) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).split(b"\n")
        return lines[-2].removesuffix(b"\r") if len(lines) > 2 else b""

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield lists of the lines that were completed since the last call. Raises `OSError`."""
        with open_regular(self._path) as file:
            file.seek(self._offset)
            while block := file.read(BLOCK_BYTES):
                first = not self._offset
                self._offset += len(block)
                if first:
                    block = block.removeprefix(_BYTE_ORDER_MARK)
                yield self._lines(block)

    def last(self) -> bytes:
        """Return the last line, which has no line end, once nothing will be added any more."""
        rest, self._rest = self._rest, b""
        return rest.removesuffix(b"\r")

    def _lines(self, block: bytes) -> list[bytes]:
        if b"\n" not in block:
            self._keep(block)
            return []
        first, *lines, rest = block.split(b"\n")
        if self._too_long:
            self._too_long = False
        else:
            lines.insert(0, self._rest + first)
        self._rest = b""
        self._keep(rest)
        return [line.removesuffix(b"\r") for line in lines]

    def _keep(self, part: bytes) -> None:
        """Keep the beginning of a line, unless the line is too long."""
        if self._too_long:
            return
        if len(self._rest) + len(part) > MAX_LINE_BYTES:
            self._not_read.add(TOO_LONG)
            self._rest, self._too_long = b"", True
            return
        self._rest += part


def decoded(line: bytes) -> str:
    """The text of a line: UTF-8, or else Latin-1, which any bytes are."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
