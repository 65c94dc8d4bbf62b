"""Draws the screens of the documentation from a recorded run.

    python docs/make_screens.py runs/NAME

Writes docs/screens/sanctum-<width>x<height>.svg.
"""

import asyncio
import sys
from pathlib import Path

from esper_aggregator.replay import LogSource
from esper_tui.app import SanctumApp

SIZES = ((80, 24), (120, 40), (200, 60))
SCREENS = Path(__file__).parent / "screens"


async def draw(run: Path, width: int, height: int) -> str:
    """One screen as SVG."""
    app = SanctumApp(LogSource(run))
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        return app.export_screenshot(title=f"sanctum {run.name}")


def main() -> None:
    """Draw every size."""
    run = Path(sys.argv[1])
    SCREENS.mkdir(exist_ok=True)
    for width, height in SIZES:
        path = SCREENS / f"sanctum-{width}x{height}.svg"
        path.write_text(asyncio.run(draw(run, width, height)))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
