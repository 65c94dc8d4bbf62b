"""One visitor: a process of Sanctum's own, whose screen is sent to the visitor's browser."""

import asyncio
from contextlib import suppress

from textual_serve.app_service import AppService

WIDEST, HIGHEST = 500, 200
"""Cells: a browser says how large its terminal is, and nobody has to believe it."""
PATIENCE_S = 1.0
"""How long a process may take to end before it is killed; it has nothing to lose."""


class VisitorSession(AppService):
    """The process of one visitor; its end ends the connection, and the other way round."""

    async def start(self, width: int, height: int) -> None:
        """Start the process with a terminal of this size."""
        await super().start(*bounded(width, height))

    async def run(self) -> None:
        """Pass on what the process draws until it ends, then hang up."""
        await super().run()
        await self.remote_close()

    async def set_terminal_size(self, width: int, height: int) -> None:
        """Tell the process that the browser's window has another size."""
        await super().set_terminal_size(*bounded(width, height))

    async def stop(self) -> None:
        """End the process, by force if it does not end when asked to, or if there is no time to ask."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await super().stop()
                    await self._ended()
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
            await self._ended()

    async def _ended(self) -> None:
        """Read what is left, so that nothing keeps the process from ending, and close its pipes."""
        if self._process is not None:
            await self._process.communicate()

    async def take(self, message: object) -> object:
        """Do what the page asks for; what it should be told, if anything.

        Raises `ValueError` or `TypeError` for what the page would never send.
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
                raise ValueError("no such message")
        return None


def bounded(width: int, height: int) -> tuple[int, int]:
    """A size that can be drawn."""
    return min(max(width, 1), WIDEST), min(max(height, 1), HIGHEST)
