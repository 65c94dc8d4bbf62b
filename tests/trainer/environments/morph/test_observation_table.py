"""The names of the observation's features."""

from esper_schemas.heads import Slot
from esper_trainer.environments.morph.observation_table import HISTORY, HOST, OBSERVATION_FEATURES, SLOT


def test_the_features_are_those_of_the_host_and_of_each_slot():
    """The host comes first; the names of a slot's features begin with its name."""
    names = [feature.name for feature in OBSERVATION_FEATURES]

    assert names[: len(HOST)] == [feature.name for feature in HOST]
    for index, slot in enumerate(Slot):
        start = len(HOST) + index * len(SLOT)
        own = names[start : start + len(SLOT)]
        assert own == [f"{slot.name.lower()}.{feature.name}" for feature in SLOT]
    assert len(names) == len(HOST) + len(Slot) * len(SLOT) == len(set(names))


def test_histories_are_listed_from_the_oldest_to_the_present_value():
    """This holds for losses and accuracies."""
    for quantity in ("loss", "accuracy"):
        ages = [feature.name for feature in HOST if feature.name.startswith(f"{quantity}_")]
        assert ages == [f"{quantity}_{age}_ago" for age in reversed(range(HISTORY))]


def test_every_feature_has_a_meaning_and_a_range():
    """The reference page shows them."""
    assert all(feature.meaning and feature.range for feature in OBSERVATION_FEATURES)
