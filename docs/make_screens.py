"""Draws the screens of the documentation from a recorded run.

    python docs/make_screens.py runs/NAME

Writes docs/screens/sanctum-<name>.svg.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from esper_aggregator.replay import LogSource
from esper_tui.app import SanctumApp
from esper_tui.settings import Settings

SCREENS = Path(__file__).parent / "screens"


@dataclass(frozen=True, slots=True)
class Screen:
    """A picture: its name, the size of the window, the keys that lead to it, and the theme."""

    name: str
    width: int
    height: int
    keys: tuple[str, ...] = ()
    theme: str = "dark"


PICTURES = (
    Screen("80x24", 80, 24),
    Screen("120x40", 120, 40),
    Screen("160x50", 160, 50),
    Screen("200x60", 200, 60),
    Screen("opened", 120, 40, ("tab", "enter", "down")),
    Screen("heads", 120, 40, ("tab", "tab", "tab", "enter")),
    Screen("help", 120, 40, ("question_mark",)),
    Screen("light", 120, 40, (), "light"),
)


async def draw(run: Path, screen: Screen) -> str:
    """One screen as SVG."""
    app = SanctumApp(LogSource(run), settings=Settings(theme=screen.theme))
    async with app.run_test(size=(screen.width, screen.height)) as pilot:
        await pilot.press(*screen.keys)
        await pilot.pause()
        return app.export_screenshot(title=f"sanctum {run.name}")


def main() -> None:
    """Draw every picture, with the colours of a terminal that has them."""
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    run = Path(sys.argv[1])
    SCREENS.mkdir(exist_ok=True)
    for screen in PICTURES:
        path = SCREENS / f"sanctum-{screen.name}.svg"
        path.write_text(asyncio.run(draw(run, screen)))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
