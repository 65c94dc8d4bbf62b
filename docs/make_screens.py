"""Draw the screens of the documentation from recorded runs: a healthy one, a broken one, and of libraries.

    esper ppo --episodes 60 --name digits
    esper ppo --episodes 30 --envs 16 --learning-rate 0.15 --name broken
    python docs/make_screens.py runs/digits runs/broken SB3 CLEANRL RSL_RL TORCHRL TRL

SB3 is PPO on CartPole-v1, 18,000 steps, with an `EsperCallback` and an `EvalCallback`; CLEANRL is made by
`examples/cleanrl_ppo.py`; the last three are trainings as in `tests/api/integrations`, with more updates.
Writes docs/screens/sanctum-<name>.svg; a run that is given as "-" is left out.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from esper_aggregator.log_source import LogSource
from esper_aggregator.past.local_history import LocalHistory
from esper_tui.app import SanctumApp
from esper_tui.control.user_settings import Settings
from esper_tui.panels.panel_registry import PANELS

SCREENS = Path(__file__).parent / "screens"


class Run(IntEnum):
    """The recorded runs, in the order of the arguments."""

    HEALTHY = 1
    BROKEN = 2
    OF_SB3 = 3
    OF_CLEANRL = 4
    OF_RSL_RL = 5
    OF_TORCHRL = 6
    OF_TRL = 7


@dataclass(frozen=True, slots=True)
class Screen:
    """A screenshot: its name, the size of the window, the keys to press, the theme, and the run."""

    name: str
    width: int
    height: int
    keys: tuple[str, ...] = ()
    theme: str = "dark"
    run: Run = Run.HEALTHY


def keys_to(panel: str) -> tuple[str, ...]:
    """The keys that open a panel, even one that does not fit into the window."""
    return ("enter", *"]" * list(PANELS).index(panel))


TO_ONSET = ("T", *keys_to("findings"), "enter")
"""The keys that open the time bar, and go to the onset of the first finding."""
PICTURES = (
    Screen("80x24", 80, 24),
    Screen("120x40", 120, 40),
    Screen("160x50", 160, 50),
    Screen("200x60", 200, 60),
    Screen("opened", 120, 40, (*keys_to("losses"), "down")),
    Screen("heads", 120, 40, keys_to("heads")),
    Screen("broken", 120, 40, run=Run.BROKEN),
    Screen("findings", 120, 40, keys_to("findings"), run=Run.BROKEN),
    Screen("anomalies", 120, 40, (*keys_to("anomalies"), "home", *("down",) * 8), run=Run.BROKEN),
    Screen("onset", 120, 40, TO_ONSET, run=Run.BROKEN),
    Screen("before", 120, 40, (*TO_ONSET, "comma"), run=Run.BROKEN),
    Screen("after", 120, 40, (*TO_ONSET, *("full_stop",) * 3), run=Run.BROKEN),
    Screen("help", 120, 40, ("question_mark",)),
    Screen("light", 120, 40, (), "light"),
    Screen("sb3", 120, 40, run=Run.OF_SB3),
    Screen("scalars", 120, 40, (*keys_to("scalars"), "down"), run=Run.OF_SB3),
    Screen("cleanrl", 120, 40, run=Run.OF_CLEANRL),
    Screen("rsl-rl", 120, 40, run=Run.OF_RSL_RL),
    Screen("torchrl", 120, 40, run=Run.OF_TORCHRL),
    Screen("trl", 120, 40, run=Run.OF_TRL),
)


async def draw(run: Path, screen: Screen) -> str:
    """One screen as SVG."""
    settings = Settings(theme=screen.theme)
    app = SanctumApp(LogSource(run), open_history=lambda name: LocalHistory(run), settings=settings)
    async with app.run_test(size=(screen.width, screen.height)) as pilot:
        for key in screen.keys:
            await pilot.press(key)
            while app.rewind.is_waiting:
                await pilot.pause(0.02)
        await pilot.pause(0.5)
        return app.export_screenshot(title=f"sanctum {run.name}")


def main() -> None:
    """Draw every screenshot in true colour."""
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    SCREENS.mkdir(exist_ok=True)
    for screen in (screen for screen in PICTURES if sys.argv[screen.run] != "-"):
        path = SCREENS / f"sanctum-{screen.name}.svg"
        path.write_text(asyncio.run(draw(Path(sys.argv[screen.run]), screen)))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
