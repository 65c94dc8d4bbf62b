"""The app of a visitor: it saves files to the visitor's browser and exits with the server."""

import io
import os

from esper_tui.app import SanctumApp


class ServedApp(SanctumApp):
    """Sanctum as shown in a browser."""

    def on_mount(self) -> None:
        """Remember the server's process."""
        self._server = os.getppid()

    def is_unseen(self) -> bool:
        """Whether the server was killed, and so could not close the session."""
        return os.getppid() != self._server

    def save_svg(self, name: str, svg: str) -> None:
        """Deliver the SVG to the browser as a download."""
        self.deliver_text(io.StringIO(svg), save_filename=name, mime_type="image/svg+xml")
