"""Tests of esper_tui.grid.grid_plans."""

from esper_tui.grid.grid_plans import NEEDS, PLANS
from esper_tui.panels.panel_registry import PANELS


def test_every_panel_is_in_every_plan():
    """No plan omits a panel."""
    assert set(NEEDS) == set(PANELS)
    for plan in PLANS:
        named = [panel for tier in plan.tiers for stack in tier.stacks for panel in stack.panels]
        assert sorted(named) == sorted(NEEDS)
