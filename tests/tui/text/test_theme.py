"""Tests of esper_tui.text.theme: what colours mean in every theme."""

import colorsys

import pytest

from esper_schemas.judgement import HeadCondition, Health
from esper_tui.text.spans import Tone
from esper_tui.text.theme import ALARM_TONES, CONDITIONS, MARKS, THEMES, alarm_mark, styles_for, tone

HUES = {Tone.VALUE: (160, 205), Tone.GOOD: (90, 150), Tone.WARNING: (25, 65)}
"""Degrees on the colour wheel that people call cyan, green and yellow."""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("tone", HUES)
def test_tele_132_151_170_healthy_is_cyan_or_green_and_a_warning_yellow(theme, tone):
    """Losses are cyan while they are healthy, heads green; a warning is yellow in both."""
    low, high = HUES[tone]
    red, green, blue = styles_for("256", theme)[tone].color.get_truecolor()
    hue = 360 * colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)[0]

    assert low <= hue <= high


@pytest.mark.parametrize("theme", THEMES)
def test_tele_132_151_170_critical_is_red_and_bold(theme):
    """It is conspicuous even for users who do not see red."""
    style = styles_for("256", theme)[Tone.CRITICAL]
    red, green, blue = style.color.get_truecolor()
    hue = 360 * colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)[0]

    assert min(hue, 360 - hue) <= 10
    assert style.bold


def test_no_alarm_is_shown_by_colour_alone():
    """Every alarm has its own mark, and every condition of a head its own symbol."""
    assert set(ALARM_TONES) <= set(MARKS)
    assert len(set(MARKS.values())) == len(MARKS)
    assert len({symbol for symbol, _ in CONDITIONS.values()}) == len(HeadCondition)


@pytest.mark.parametrize("theme", THEMES)
def test_a_value_beyond_its_critical_band_is_red_and_not_bold(theme):
    """Only what a critical finding is about is bold."""
    beyond, critical = (styles_for("256", theme)[shade] for shade in (Tone.BEYOND, Tone.CRITICAL))

    assert beyond.color == critical.color
    assert not beyond.bold
    assert {tone(health) for health in Health} & set(ALARM_TONES.values()) == {Tone.WARNING}


def test_the_mark_of_an_alarm_has_its_tone():
    """A value that no finding is about has none."""
    assert alarm_mark(Health.CRITICAL) == ("✗", Tone.CRITICAL)
    assert alarm_mark(Health.WARNING) == ("!", Tone.WARNING)
    assert alarm_mark(Health.OK).text == alarm_mark(Health.NOT_FINITE).text == " "


def test_every_theme_has_every_tone():
    """The dark and the light theme differ; with 16 colours, each theme is drawn as ansi."""
    tones = [set(theme.colours) for theme in THEMES.values()]

    assert all(tone == tones[0] for tone in tones)
    assert styles_for("256", "dark") != styles_for("256", "light")
    assert styles_for("standard", "dark") == styles_for("truecolor", "ansi")
