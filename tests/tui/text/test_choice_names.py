"""Tests of esper_tui.text.choice_names."""

from esper_tui.text.choice_names import head_label


def test_heads_have_readable_names():
    """The three heads about alpha share a short prefix."""
    assert [head_label(head) for head in ("op", "alpha_curve")] == ["op", "α curve"]
