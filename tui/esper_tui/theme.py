"""How tones look, and which symbol goes with which judgement, so that nothing is said by colour alone."""

from rich.style import Style

from esper_schemas.judgement import HeadCondition, Health
from esper_schemas.state import Trend
from esper_tui.rows import Span, Tone

COLOURS: dict[Tone, tuple[str, str]] = {
    Tone.PLAIN: ("color(252)", "default"),
    Tone.DIM: ("color(243)", "bright_black"),
    Tone.LABEL: ("color(247)", "default"),
    Tone.TITLE: ("bold color(110)", "bold bright_blue"),
    Tone.BORDER: ("color(238)", "bright_black"),
    Tone.VALUE: ("color(116)", "cyan"),
    Tone.GOOD: ("color(114)", "green"),
    Tone.WARNING: ("color(179)", "yellow"),
    Tone.CRITICAL: ("bold color(203)", "bold bright_red"),
    Tone.FADED: ("color(241)", "bright_black"),
    Tone.KEY: ("bold color(252)", "bold default"),
}
"""Each tone among 256 colours, and among the 16 that are all that some terminals have.

True colour would need three times the bytes, and looks different over ssh and in tmux.
"""

BACKGROUND = "on color(233)"

STYLES = {tone: Style.parse(of_256) for tone, (of_256, _) in COLOURS.items()}
"""For text that keeps the background of whatever it is written to."""

_ON_BACKGROUND = {tone: style + Style.parse(BACKGROUND) for tone, style in STYLES.items()}
_OF_16 = {tone: Style.parse(of_16) for tone, (_, of_16) in COLOURS.items()}


def styles_for(color_system: str | None) -> dict[Tone, Style]:
    """The styles for a terminal, by what Rich calls its color system ("standard" has 16 colours)."""
    return _OF_16 if color_system == "standard" else _ON_BACKGROUND


MARKS: dict[Health, str] = {
    Health.OK: "✓",
    Health.WARNING: "!",
    Health.CRITICAL: "✗",
    Health.NOT_FINITE: "✗",
}

TONES: dict[Health, Tone] = {
    Health.WAITING: Tone.DIM,
    Health.NOT_MEASURED: Tone.DIM,
    Health.WARNING: Tone.WARNING,
    Health.CRITICAL: Tone.CRITICAL,
    Health.NOT_FINITE: Tone.CRITICAL,
}

ARROWS: dict[Trend, str] = {
    Trend.UNKNOWN: " ",
    Trend.STABLE: "→",
    Trend.RISING: "↗",
    Trend.FALLING: "↘",
    Trend.VOLATILE: "~",
}

CONDITIONS: dict[HeadCondition, tuple[str, Health, Tone]] = {
    HeadCondition.WAITING: ("·", Health.WAITING, Tone.DIM),
    HeadCondition.NOT_MEASURED: ("–", Health.NOT_MEASURED, Tone.DIM),
    HeadCondition.NOT_FINITE: ("×", Health.NOT_FINITE, Tone.CRITICAL),
    HeadCondition.HEALTHY: ("●", Health.OK, Tone.GOOD),
    HeadCondition.UNREMARKABLE: ("•", Health.OK, Tone.DIM),
    HeadCondition.DEAD: ("○", Health.CRITICAL, Tone.CRITICAL),
    HeadCondition.CONFUSED: ("◐", Health.WARNING, Tone.WARNING),
    HeadCondition.DETERMINISTIC: ("◇", Health.WARNING, Tone.WARNING),
    HeadCondition.EXPECTED_DETERMINISTIC: ("◇", Health.OK, Tone.DIM),
    HeadCondition.EXPLODING: ("▲", Health.CRITICAL, Tone.CRITICAL),
}
"""The symbols of TELE-170, with the health whose mark stands beside them."""


def tone(health: Health, ok: Tone = Tone.GOOD) -> Tone:
    """The tone of a judged value; panels choose the one for "ok"."""
    return TONES.get(health, ok)


def mark(health: Health) -> Span:
    """The symbol that says the same as the tone: ✓, ! or ✗; blank where nothing was judged."""
    quiet = health is Health.OK
    return Span(MARKS.get(health, " "), Tone.DIM if quiet else tone(health))


def alarm(health: Health) -> Span:
    """As `mark`, but blank where all is well, for tables where a tick per cell would be noise."""
    return Span(" ") if health is Health.OK else mark(health)
