"""The app of a visitor: what it saves goes to the visitor's browser, and it ends with its server."""

import io
import os

from esper_tui.app import SanctumApp


class ServedApp(SanctumApp):
    """The cockpit as a browser shows it."""

    def on_mount(self) -> None:
        """Remember whose child this is."""
        self._server = os.getppid()

    def is_unseen(self) -> bool:
        """Whether the server was killed, so that it could not say that it ends."""
        return os.getppid() != self._server

    def save_picture(self, name: str, svg: str) -> None:
        """Hand the picture to the browser as a download."""
        self.deliver_text(io.StringIO(svg), save_filename=name, mime_type="image/svg+xml")
