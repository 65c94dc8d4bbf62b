"""The digits as the hosts see them."""

import pytest
import torch

from esper_trainer.environments.morph.networks.digits import FEATURES, feature_major, load, read_digits

CPU = torch.device("cpu")


@pytest.mark.slow
def test_the_digits_are_those_of_scikit_learn():
    """All pixels and all labels are equal."""
    datasets = pytest.importorskip("sklearn.datasets")
    for ours, theirs in zip(read_digits(), datasets.load_digits(return_X_y=True), strict=True):
        assert (ours == theirs).all()


def test_split_is_seventy_to_thirty():
    """All 1,797 digits are used, each once, 70 % of them for training."""
    digits = load(CPU)

    assert digits.train_features.shape == (1257, FEATURES)
    assert digits.validation_features.shape == (540, FEATURES)
    assert len(digits.train_labels) + len(digits.validation_labels) == 1797
    assert torch.cat([digits.train_labels, digits.validation_labels]).bincount().min() > 170


def test_training_features_are_standardised():
    """Zero mean and unit variance over the training part; the validation part is close to it."""
    digits = load(CPU)

    torch.testing.assert_close(digits.train_features.mean(0), torch.zeros(FEATURES), atol=1e-5, rtol=0)
    torch.testing.assert_close(digits.train_features.std(0), torch.ones(FEATURES), atol=1e-4, rtol=0)
    assert digits.validation_features.std() > 0.8


def test_loading_is_the_same_task_every_time():
    """Split and stem do not depend on the global generator."""
    torch.manual_seed(1)
    first = load(CPU)
    torch.manual_seed(2)
    second = load(CPU)

    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_digits_are_learnable_from_the_stem():
    """A nearest-class-mean classifier on the projected features is far above chance."""
    digits = load(CPU)
    means = torch.stack([digits.train_features[digits.train_labels == label].mean(0) for label in range(10)])
    guesses = torch.cdist(digits.validation_features, means).argmin(1)

    assert (guesses == digits.validation_labels).float().mean() > 0.7


def test_feature_major_puts_rows_last():
    """Sample `index[n, r]` becomes column r of environment n."""
    features = torch.arange(6.0).view(3, 2)
    rows = feature_major(features, torch.tensor([[2, 0, 1]]))

    assert rows.tolist() == [[[4.0, 0.0, 2.0], [5.0, 1.0, 3.0]]]
