"""The training data of the hosts: scikit-learn's 1,797 images of handwritten digits, 8x8 pixels."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esper_schemas.errors import EsperError

FloatArray: TypeAlias = NDArray[np.float64]

FEATURES = 32
"""Length of a projected image: 8 tokens of 4 channels, feature = 4 * token + channel."""
TOKENS = 8
CHANNELS = 4
CLASSES = 10
TRAIN_SHARE = 0.7
_SPLIT_SEED = 20_240_607  # the task is the same for all runs: split and stem do not depend on their seed


class Digits(NamedTuple):
    """Projected images and their labels, on one device.

    Features are float32 [samples, 32] with zero mean and unit variance over the training part;
    labels are int64 [samples].
    """

    train_features: Tensor
    train_labels: Tensor
    validation_features: Tensor
    validation_labels: Tensor


def load(device: torch.device) -> Digits:
    """Read the digits, split them 70/30, and project 64 pixels to 32 features with a fixed random stem."""
    pixels, labels = read_digits()
    generator = torch.Generator().manual_seed(_SPLIT_SEED)
    order = torch.randperm(len(labels), generator=generator)
    images = torch.as_tensor(pixels, dtype=torch.float32)[order]
    targets = torch.as_tensor(labels, dtype=torch.int64)[order]
    split = int(TRAIN_SHARE * len(targets))
    stem = torch.randn(images.shape[1], FEATURES, generator=generator)
    features = _standardised(_standardised(images, split) @ stem, split).to(device)
    targets = targets.to(device)
    return Digits(features[:split], targets[:split], features[split:], targets[split:])


def read_digits() -> tuple[FloatArray, FloatArray]:
    """Pixels [1797, 64], 0 to 16, and labels [1797], as in `sklearn.datasets.load_digits`.

    The file is read without importing scikit-learn, of which nothing else is needed. Raises
    `EsperError` if it is not installed.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise EsperError("The environments need scikit-learn; install it with: pip install scikit-learn.")
    table = np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return table[:, :-1], table[:, -1]


def _standardised(values: Tensor, split: int) -> Tensor:
    """Scale columns to zero mean and unit variance over the first `split` rows; constants become 0."""
    mean = values[:split].mean(dim=0)
    deviation = values[:split].std(dim=0)
    return (values - mean) / deviation.clamp_min(1e-3)


def feature_major(features: Tensor, index: Tensor) -> Tensor:
    """Gather samples `index` [N, rows] of `features` [samples, 32] as [N, 32, rows].

    Rows are the last dimension everywhere in this package: reductions over tokens, channels and classes then
    run over leading dimensions, which can be vectorised.
    """
    rows = features.index_select(0, index.flatten()).view(*index.shape, features.shape[1])
    return rows.transpose(1, 2).contiguous()
