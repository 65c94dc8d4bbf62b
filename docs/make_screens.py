"""Draw the screens of the documentation from the recorded trainings in docs/recordings.

    python docs/make_screens.py              # all
    python docs/make_screens.py onset after  # some, by name

Writes docs/screens/sanctum-<name>.svg. `python -m docs.recordings` records the trainings anew.
"""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from esper_aggregator.log_source import LogSource
from esper_aggregator.past.local_history import LocalHistory
from esper_tui.app import SanctumApp
from esper_tui.control.user_settings import Settings
from esper_tui.panels.panel_registry import PANELS

HERE = Path(__file__).resolve().parent
SCREENS, RECORDINGS = HERE / "screens", HERE / "recordings"


@dataclass(frozen=True, slots=True)
class Screen:
    """A screenshot: its name, the size of the window, the keys to press, the recorded run, and the theme."""

    name: str
    width: int = 120
    height: int = 40
    keys: tuple[str, ...] = ()
    run: str = "digits"
    theme: str = "dark"


def keys_to(panel: str) -> tuple[str, ...]:
    """The keys that open a panel, even one that does not fit into the window."""
    return ("enter", *"]" * list(PANELS).index(panel))


TO_ONSET = ("T", "tab", "tab", "enter", "enter")
"""The keys that open the time bar, and go to the onset of the first finding."""
PICTURES = (
    Screen("80x24", 80, 24),
    Screen("120x40"),
    Screen("160x50", 160, 50),
    Screen("opened", keys=(*keys_to("losses"), "down")),
    Screen("chart", 100, 30, (*keys_to("losses"), "down", "c", *("left",) * 10), run="collapse"),
    Screen("charts", keys=("c", "g", "g")),
    Screen("chart-heads", 120, 30, (*keys_to("heads"), *("down",) * 3, "c"), run="collapse"),
    Screen("broken", run="collapse"),
    Screen("findings", keys=keys_to("findings"), run="collapse"),
    Screen("anomalies", keys=(*keys_to("anomalies"), "home", *("down",) * 8), run="collapse"),
    Screen("onset", keys=TO_ONSET, run="collapse"),
    Screen("before", keys=(*TO_ONSET, "comma"), run="collapse"),
    Screen("after", keys=(*TO_ONSET, *("full_stop",) * 3), run="collapse"),
    Screen("light", theme="light"),
    Screen("sb3", run="sb3"),
    Screen("sb3-160x60", 160, 60, run="sb3"),
    Screen("scalars", keys=(*keys_to("scalars"), "down"), run="sb3"),
    Screen("cleanrl", run="cleanrl"),
    Screen("rsl-rl", run="rsl-rl"),
    Screen("torchrl", run="torchrl"),
    Screen("trl", run="trl"),
)


async def draw(screen: Screen) -> str:
    """One screen as SVG, with everything that it has asked for; the working directory is `RECORDINGS`."""
    run = Path(f"{screen.run}.mcap")  # the footer shows it as it is named
    settings = Settings(theme=screen.theme)
    app = SanctumApp(LogSource(run), open_history=lambda name: LocalHistory(run), settings=settings)
    async with app.run_test(size=(screen.width, screen.height)) as pilot:
        await settle(app, pilot)
        for key in screen.keys:
            await pilot.press(key)
            while app.rewind.is_waiting:
                await pilot.pause(0.02)
        await settle(app, pilot)
        return app.export_screenshot(title=f"sanctum {screen.run}")


async def settle(app: SanctumApp, pilot: Pilot[None]) -> None:
    """Wait until the app has drawn the answers to all that it asked for."""
    for _ in range(2):
        await pilot.pause(0.2)
        while app.history.is_waiting:
            await pilot.pause(0.02)
        app.draw_now()


def prepare() -> None:
    """Draw in true colour, with times of UTC, from the recordings."""
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TZ="UTC")
    time.tzset()
    os.chdir(RECORDINGS)


def main() -> None:
    """Draw the screenshots that are named, or all."""
    parser = argparse.ArgumentParser(description="Draw the screens of the documentation.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(s.name for s in PICTURES))
    names = parser.parse_args().names
    prepare()
    for screen in (screen for screen in PICTURES if screen.name in names or not names):
        path = SCREENS / f"sanctum-{screen.name}.svg"
        path.write_text(asyncio.run(draw(screen)))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
