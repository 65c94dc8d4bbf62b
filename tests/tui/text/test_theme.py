"""Tests of esper_tui.text.theme: what colours mean in every theme."""

import colorsys
from itertools import combinations

import pytest

from esper_schemas.judgement import HeadCondition, Health
from esper_tui.text.spans import Tone
from esper_tui.text.theme import CONDITIONS, MARKS, THEMES, styles_for

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


def test_nothing_is_shown_by_colour_alone():
    """Every health that is an alarm has a mark, and no two conditions of a head share symbol and mark."""
    assert {Health.WARNING, Health.CRITICAL, Health.NOT_FINITE} <= set(MARKS)
    appearance = {condition: CONDITIONS[condition][:2] for condition in HeadCondition}
    same = [pair for pair in combinations(appearance, 2) if appearance[pair[0]] == appearance[pair[1]]]

    assert same == []


def test_every_theme_has_every_tone():
    """The dark and the light theme differ; with 16 colours, each theme is drawn as ansi."""
    tones = [set(theme.colours) for theme in THEMES.values()]

    assert all(tone == tones[0] for tone in tones)
    assert styles_for("256", "dark") != styles_for("256", "light")
    assert styles_for("standard", "dark") == styles_for("truecolor", "ansi")
