"""The session of one visitor: a Sanctum process whose screen is sent to the visitor's browser."""

import asyncio
from contextlib import suppress

from textual_serve.app_service import AppService

from esper_tui.serving.packet_driver import PacketDriver

WIDEST, HIGHEST = 500, 200
"""The largest terminal, in cells, that a browser may request."""
TERMINATION_TIMEOUT_S = 1.0
"""How long a process may take to exit before it is killed; it has no state to lose."""


class VisitorSession(AppService):
    """The process of one visitor; process and connection end together."""

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        driver = f"{PacketDriver.__module__}:{PacketDriver.__qualname__}"
        return super()._build_environment(width, height) | {"TEXTUAL_DRIVER": driver}

    async def start(self, width: int, height: int) -> None:
        """Start the process with a terminal of this size."""
        await super().start(*bounded(width, height))

    async def run(self) -> None:
        """Forward the output of the process until it ends, then close the connection."""
        await super().run()
        await self.remote_close()

    async def set_terminal_size(self, width: int, height: int) -> None:
        """Report a new window size to the process."""
        await super().set_terminal_size(*bounded(width, height))

    async def stop(self) -> None:
        """Terminate the process; kill it if it does not exit in time, or if this call is cancelled."""
        try:
            for step in (super().stop, self._ended):  # one limit each: the first may swallow a cancellation
                with suppress(TimeoutError):
                    async with asyncio.timeout(TERMINATION_TIMEOUT_S):
                        await step()
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
            await self._ended()

    async def _ended(self) -> None:
        """Read the remaining output, so that the process can exit, and close its pipes."""
        if self._process is not None:
            await self._process.communicate()

    async def execute(self, message: object) -> object:
        """Execute a message of the page; returns the answer, or None.

        Raises `ValueError` for a message that the page never sends.
        """
        match message:
            case ["stdin", str(typed)]:
                await self.send_bytes(typed.encode(errors="replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                await self.set_terminal_size(width, height)
            case ["focus"]:
                await self.focus()
            case ["blur"]:
                await self.blur()
            case ["ping", str(sent)]:
                return ["pong", sent]
            case _:
                raise ValueError("unknown message")
        return None


def bounded(width: int, height: int) -> tuple[int, int]:
    """A size within the bounds."""
    return min(max(width, 1), WIDEST), min(max(height, 1), HIGHEST)
