"""The three presets."""

from esper_trainer.environments.morph.presets import DEFAULT_PRESET, HORIZON, PRESETS


def test_presets_grow_in_work():
    """From lite to full, each trains more and evaluates on more samples."""
    work = [(p.sgd_steps * p.batch_size, p.validation_size) for p in PRESETS.values()]

    assert list(PRESETS) == ["lite", "standard", "full"]
    assert work == sorted(work)
    assert all(preset.horizon == HORIZON for preset in PRESETS.values())
    assert DEFAULT_PRESET in PRESETS
