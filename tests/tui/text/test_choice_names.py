"""Tests of esper_tui.text.choice_names."""

from esper_tui.text.choice_names import head_label


def test_heads_are_called_as_people_read_them():
    """The three heads about alpha share a short prefix."""
    assert [head_label(head) for head in ("op", "alpha_curve")] == ["op", "α curve"]
