"""The style of each tone and the symbol of each judgement, so that nothing depends on colour alone."""

from dataclasses import dataclass

from rich.style import Style

from esper_schemas.judgement import HeadCondition, Health
from esper_schemas.state import Trend
from esper_tui.text.spans import Span, Tone

_DARK = {
    Tone.PLAIN: "color(252)",
    Tone.DIM: "color(243)",
    Tone.LABEL: "color(247)",
    Tone.TITLE: "bold color(110)",
    Tone.BORDER: "color(238)",
    Tone.VALUE: "color(116)",
    Tone.GOOD: "color(114)",
    Tone.WARNING: "color(179)",
    Tone.CRITICAL: "bold color(203)",
    Tone.BEYOND: "color(203)",
    Tone.FADED: "color(241)",
    Tone.KEY: "bold color(252)",
    Tone.FOCUS: "color(110)",
    Tone.WARNING_AREA: "color(58)",
    Tone.CRITICAL_AREA: "color(52)",
    Tone.CURVE_2: "color(179)",
    Tone.CURVE_3: "color(114)",
    Tone.CURVE_4: "color(176)",
    Tone.CURVE_5: "color(209)",
    Tone.CURVE_6: "color(75)",
    Tone.CURVE_7: "color(186)",
    Tone.CURVE_8: "color(211)",
}
_LIGHT = {
    Tone.PLAIN: "color(236)",
    Tone.DIM: "color(244)",
    Tone.LABEL: "color(240)",
    Tone.TITLE: "bold color(25)",
    Tone.BORDER: "color(250)",
    Tone.VALUE: "color(24)",
    Tone.GOOD: "color(28)",
    Tone.WARNING: "color(130)",
    Tone.CRITICAL: "bold color(160)",
    Tone.BEYOND: "color(160)",
    Tone.FADED: "color(247)",
    Tone.KEY: "bold color(234)",
    Tone.FOCUS: "color(25)",
    Tone.WARNING_AREA: "color(223)",
    Tone.CRITICAL_AREA: "color(224)",
    Tone.CURVE_2: "color(130)",
    Tone.CURVE_3: "color(28)",
    Tone.CURVE_4: "color(90)",
    Tone.CURVE_5: "color(166)",
    Tone.CURVE_6: "color(33)",
    Tone.CURVE_7: "color(100)",
    Tone.CURVE_8: "color(161)",
}
_ANSI = {
    Tone.PLAIN: "default",
    Tone.DIM: "bright_black",
    Tone.LABEL: "default",
    Tone.TITLE: "bold bright_blue",
    Tone.BORDER: "bright_black",
    Tone.VALUE: "cyan",
    Tone.GOOD: "green",
    Tone.WARNING: "yellow",
    Tone.CRITICAL: "bold bright_red",
    Tone.BEYOND: "bright_red",
    Tone.FADED: "bright_black",
    Tone.KEY: "bold default",
    Tone.FOCUS: "bright_blue",
    Tone.WARNING_AREA: "bright_black",
    Tone.CRITICAL_AREA: "bright_black",
    Tone.CURVE_2: "yellow",
    Tone.CURVE_3: "green",
    Tone.CURVE_4: "magenta",
    Tone.CURVE_5: "bright_red",
    Tone.CURVE_6: "bright_blue",
    Tone.CURVE_7: "bright_yellow",
    Tone.CURVE_8: "bright_magenta",
}


@dataclass(frozen=True, slots=True)
class Theme:
    """The colour of each tone, the background, and the name of Textual's theme that goes with it."""

    colours: dict[Tone, str]
    background: str
    textual: str


THEMES: dict[str, Theme] = {
    "dark": Theme(_DARK, "on color(233)", "textual-dark"),
    "light": Theme(_LIGHT, "on color(255)", "textual-light"),
    "ansi": Theme(_ANSI, "", "ansi-dark"),
}
"""Colours are of the 256-colour palette: true colour takes three times the bytes and differs over ssh and in
tmux. "ansi" uses the terminal's own 16 colours on its own background.
"""


def foreground_styles(theme: str) -> dict[Tone, Style]:
    """The styles of a theme without its background, for text that is written to a stream."""
    return {tone: Style.parse(colour) for tone, colour in THEMES[theme].colours.items()}


def theme_for(color_system: str | None, theme: str) -> str:
    """The theme to draw with: terminals with 16 colours ("standard") always get "ansi"."""
    return "ansi" if color_system == "standard" else theme


def styles_for(color_system: str | None, theme: str = "dark") -> dict[Tone, Style]:
    """The styles of a theme for a terminal with this color system, as Rich names it."""
    chosen = THEMES[theme_for(color_system, theme)]
    background = Style.parse(chosen.background)
    return {tone: Style.parse(colour) + background for tone, colour in chosen.colours.items()}


MARKS: dict[Health, str] = {Health.OK: "✓", Health.WARNING: "!", Health.CRITICAL: "✗"}
"""✓ marks a value within its bands, ! and ✗ what a finding is about."""

ALARM_TONES: dict[Health, Tone] = {Health.WARNING: Tone.WARNING, Health.CRITICAL: Tone.CRITICAL}
"""The tones of what a finding is about, by the severity of the finding."""

TONES: dict[Health, Tone] = {
    Health.WAITING: Tone.DIM,
    Health.NOT_MEASURED: Tone.DIM,
    Health.WARNING: Tone.WARNING,
    Health.CRITICAL: Tone.BEYOND,
    Health.NOT_FINITE: Tone.BEYOND,
}
"""The colours of values by their bands (TELE-131, 132, 151, 170); that of a critical one is not bold, since a
value beyond its band alone is not a finding.
"""

ARROWS: dict[Trend, str] = {
    Trend.UNKNOWN: " ",
    Trend.STABLE: "→",
    Trend.RISING: "↗",
    Trend.FALLING: "↘",
    Trend.VOLATILE: "~",
}

CONDITIONS: dict[HeadCondition, tuple[str, Tone]] = {
    HeadCondition.WAITING: ("·", Tone.DIM),
    HeadCondition.NOT_MEASURED: ("–", Tone.DIM),
    HeadCondition.NOT_FINITE: ("×", Tone.BEYOND),
    HeadCondition.HEALTHY: ("●", Tone.GOOD),
    HeadCondition.UNREMARKABLE: ("•", Tone.DIM),
    HeadCondition.DEAD: ("○", Tone.BEYOND),
    HeadCondition.CONFUSED: ("◐", Tone.WARNING),
    HeadCondition.DETERMINISTIC: ("◇", Tone.WARNING),
    HeadCondition.EXPECTED_DETERMINISTIC: ("◈", Tone.DIM),
    HeadCondition.EXPLODING: ("▲", Tone.BEYOND),
}
"""The symbols and colours of TELE-170."""


def tone(health: Health, ok: Tone = Tone.GOOD) -> Tone:
    """The colour of a value that no finding is about; `ok` is that of a healthy one."""
    return TONES.get(health, ok)


def alarm_mark(alarm: Health) -> Span:
    """The mark of what a finding of this severity is about: ! or ✗; blank without one."""
    return Span(MARKS[alarm], ALARM_TONES[alarm]) if alarm in ALARM_TONES else Span(" ")
