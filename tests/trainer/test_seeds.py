"""Streams of one seed differ by purpose."""

from esper_trainer.seeds import derived_seed


def test_purposes_and_seeds_give_different_numbers_that_never_change():
    """A changed number would change every recorded run."""
    assert derived_seed(0, "policy") == derived_seed(0, "policy")
    assert len({derived_seed(s, p) for s in range(50) for p in ("policy", "actions")}) == 100
