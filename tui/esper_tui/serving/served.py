"""The app of a visitor: what it saves goes to the visitor's browser, and it ends with its server."""

import io
import os

from esper_tui.app import SanctumApp

LOOK_AFTER_S = 2.0
"""How often it is asked whether the server is still there."""


class ServedApp(SanctumApp):
    """The cockpit as a browser shows it."""

    def on_mount(self) -> None:
        """Remember whose child this is."""
        self._server = os.getppid()
        self.set_interval(LOOK_AFTER_S, self._end_with_server)

    def save_picture(self, name: str, svg: str) -> None:
        """Hand the picture to the browser as a download."""
        self.deliver_text(io.StringIO(svg), save_filename=name, mime_type="image/svg+xml")

    def _end_with_server(self) -> None:
        """A server that was killed could not say so."""
        if os.getppid() != self._server:
            self.exit()
