"""The driver of a served app: every packet reaches the server whole."""

from threading import Lock
from typing import Any

from textual.drivers.web_driver import WebDriver


class PacketDriver(WebDriver):
    """Writes one packet at a time.

    The app draws in one thread and delivers files in another. A write to a pipe is atomic only up to
    `PIPE_BUF` bytes (4,096 on Linux): without a lock a frame could land inside a chunk of a file, and the
    server would read neither.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lock = Lock()
        write = self._write

        def write_whole(packet: bytes) -> int:
            with self._lock:
                return write(packet)

        self._write = write_whole  # type: ignore[assignment]
