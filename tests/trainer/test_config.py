"""A setting that cannot work is refused before anything starts, in one sentence."""

from dataclasses import asdict, fields

import pytest

from esper_schemas.codec import decode_event, encode_event
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import RunStarted
from esper_schemas.settings import MAX_INTEGER, setting_fields
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.environments.morph.presets import PRESETS


def test_the_defaults_work_and_name_a_preset():
    """Without settings there are 64 environments of the default preset."""
    config = TrainingConfig()

    assert config.environments == 64
    assert config.size == PRESETS[config.preset]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("episodes", 0),
        ("environments", -3),
        ("epochs", 0),
        ("minibatches", 0),
        ("hidden_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("entropy_coefficient", float("inf")),
        ("clip_range", -0.1),
        ("value_clip", -1.0),
        ("target_kl", -0.1),
        ("gamma", 1.1),
        ("gae_lambda", -0.1),
        ("max_grad_norm", 0.0),
        ("seed", -1),
        ("threads", -1),
        ("checkpoint_every", -1),
        ("warmup_updates", -1),
        ("learning_rate_final", 1.5),
        ("learning_rate_schedule", "steps"),
        ("value_normalisation", "batch"),
        ("precision", "float16"),
        ("preset", "huge"),
        ("device", "tpu"),
        ("device", "cpu:1"),
        ("device", "cuda:-1"),
        ("episodes", 2**31),
        ("checkpoint_every", 10**23),
        ("learning_rate", 1e39),
        ("adam_epsilon", 1e-50),
        ("value_clip", 10**400),
        ("episodes", 3.0),
        ("capture", 1),
        ("seed", None),
    ],
)
def test_an_impossible_setting_is_refused_by_name(name, value):
    """The message names the setting and its accepted values."""
    with pytest.raises(InvalidArgument, match=rf"^{name} must be .*, not .*\.$"):
        TrainingConfig(**{name: value})


def test_environments_must_divide_into_minibatches():
    """Minibatches are made of whole environments, all of one size."""
    with pytest.raises(InvalidArgument, match="10 environments cannot be split evenly into 4 minibatches"):
        TrainingConfig(environments=10, minibatches=4)


def test_threads_default_to_two_at_most():
    """A given number is used unchanged."""
    assert TrainingConfig().torch_threads in (1, 2)
    assert TrainingConfig(threads=3).torch_threads == 3


def test_purposes_and_seeds_give_different_numbers():
    """The same ones give the same number in every version, or an old run could not be repeated."""
    assert derived_seed(0, "policy") == 106385360642758
    assert len({derived_seed(s, p) for s in range(50) for p in ("policy", "actions")}) == 100


def test_every_setting_describes_itself():
    """The command line and the check at resume are derived from these descriptions."""
    described = setting_fields(TrainingConfig)

    assert list(described) == [field.name for field in fields(TrainingConfig)]
    assert all(field.setting.help and field.setting.group for field in described.values())
    assert not any(field.problem(field.default) for field in described.values())


def test_every_accepted_extreme_can_be_recorded():
    """A `RunStarted` with the largest accepted settings round-trips."""
    described = setting_fields(TrainingConfig).values()
    largest = {f.name: MAX_INTEGER if f.kind is int else 3.4e38 for f in described if f.kind in (int, float)}
    bounded = {f.name: f.setting.maximum for f in described if f.setting.maximum is not None}
    config = TrainingConfig(**largest | bounded | {"minibatches": 1})
    event = RunStarted(task="t", episodes=config.episodes, config=asdict(config))

    assert decode_event(encode_event(event)).config == asdict(config)
