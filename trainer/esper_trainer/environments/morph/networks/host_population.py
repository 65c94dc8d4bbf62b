"""The host networks of all environments with their seeds, training batches and validation subsets."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage, Style
from esper_trainer.environments.morph.networks import blueprints, digits, host_network, host_optimiser
from esper_trainer.environments.morph.networks.blueprints import INNER_ROWS
from esper_trainer.environments.morph.networks.digits import CLASSES, FEATURES, feature_major
from esper_trainer.environments.morph.networks.host_network import (
    BLOCK_WIDTH,
    PASSES,
    READOUT_FEATURES,
    SLOTS,
    with_spare_row,
)
from esper_trainer.environments.morph.networks.host_optimiser import MOMENTUM
from esper_trainer.environments.morph.networks.seed_block import BlendWeights, SeedMode
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.environments.morph.random_source import RandomSource
from esper_trainer.environments.morph.seeds.lifecycle import Slots

LABEL_NOISE = 0.1
"""A host's training labels are replaced by random ones with a probability between 0 and this."""
WORST_LOSS = 100.0
"""Upper bound of the validation loss; a loss that is not finite counts as this."""
_DIMENSION = -3
"""The dimension of the environments in every weight, from the end."""


class HostEvaluation(NamedTuple):
    """Every host with its seeds on its validation subset; float32, always finite.

    loss [N]: mean cross-entropy in nats. accuracy [N]: 0 to 1. contribution [3, N]: the accuracy minus the
    accuracy without the seed in that slot, 0 where no seed takes part.
    """

    loss: Tensor
    accuracy: Tensor
    contribution: Tensor


class HostPopulation:
    """N host networks, their seed blocks and their data, on the device of `random_source`.

    The amount of random numbers that is drawn does not depend on the actions, so that runs that differ in
    their actions alone see the same hosts and batches. `weights` and `momentum` are trained; `saved_weights`
    are those that a host is rolled back to.
    """

    def __init__(self, environments: int, preset: Preset, random_source: RandomSource) -> None:
        self.environments = environments
        self._preset = preset
        self._random = random_source
        self.generator = random_source.generator
        self._digits = digits.load(random_source.device)
        self.tables = blueprints.build(random_source.device)
        self.weights = host_network.zeros(environments, random_source.device)
        self.momentum = host_network.zeros(environments, random_source.device)
        self._gradient = host_network.zeros(environments, random_source.device)
        self._masks = host_network.zeros(environments, random_source.device)
        # One more than there are hosts: weights that are not to be saved are written to the last one.
        self.saved_weights = host_network.zeros(environments + 1, random_source.device)
        self._learning_inner = (1 - MOMENTUM) * self.tables.inner_mask
        self._learning_outer = (1 - MOMENTUM) * self.tables.outer_mask
        self._style_indicators = _style_indicators(random_source.device)
        self._indices = torch.arange(environments, device=random_source.device)
        validation = environments, preset.validation_size
        self.validation_features = self.weights.readout.new_zeros(environments, FEATURES, validation[1])
        self.validation_labels = self._digits.validation_labels.new_zeros(validation)
        self._true_scores = self.validation_labels.new_zeros(environments, PASSES, preset.validation_size)
        self.label_noise = self.weights.readout.new_zeros(environments, 1)
        self.gradient_norm = self.weights.readout.new_zeros(SLOTS, environments)
        self.parameters = self.weights.readout.new_zeros(environments)
        self.reset()

    def reset(self) -> None:
        """Draw new hosts, label noise and validation subsets, and remove all seeds."""
        for tensor in (*self.weights, *self.momentum, *self._masks):
            tensor.zero_()
        self._draw_hosts()
        for saved, weights in zip(self.saved_weights, self.weights, strict=True):
            saved.narrow(_DIMENSION, 0, self.environments).copy_(weights)
        self._draw_validation()
        self.label_noise.copy_(LABEL_NOISE * self._random.uniform(self.environments, 1))
        self.gradient_norm.zero_()

    def _draw_hosts(self) -> None:
        width = self._random.integers(1, BLOCK_WIDTH + 1, self.environments)
        unit = torch.arange(BLOCK_WIDTH, device=width.device) < width[:, None]
        block_in, readout = self.weights.block_in, self.weights.readout
        scale = FEATURES**-0.5
        block_in.copy_(scale * self._random.normal(*block_in.shape) * unit[:, :, None])
        readout.copy_(scale * self._random.normal(*readout.shape))
        readout[:, :, READOUT_FEATURES:] = 0
        self._masks.block_in.copy_((1 - MOMENTUM) * unit[:, :, None])
        self._masks.block_out.copy_((1 - MOMENTUM) * unit[:, None, :])
        self._masks.readout[:, :, :READOUT_FEATURES] = 1 - MOMENTUM
        self.parameters.copy_(SLOTS * 2 * FEATURES * width + CLASSES * READOUT_FEATURES)

    def _draw_validation(self) -> None:
        keys = self._random.uniform(self.environments, len(self._digits.validation_labels))
        index = keys.argsort(dim=1)[:, : self._preset.validation_size]
        self.validation_features.copy_(feature_major(self._digits.validation_features, index))
        self.validation_labels.copy_(self._digits.validation_labels[index])
        # Flat indices of the true classes in the scores [N, 10, passes, samples].
        row = self._indices[:, None] * CLASSES + self.validation_labels
        first = torch.arange(self._true_scores[0].numel(), device=row.device).view_as(self._true_scores[0])
        self._true_scores.copy_(row[:, None] * first.numel() + first)

    def germinate(self, where: Tensor, slot: Tensor, blueprint: Tensor) -> None:
        """Draw a new seed of `blueprint` in `slot` where `where` is True; all [N]."""
        tables, weights, momentum, masks = self.tables, self.weights, self.momentum, self._masks
        uniform = self._random.coarse_uniform(self.environments, INNER_ROWS, FEATURES)
        inner = uniform.mul_(tables.inner_scale.index_select(0, blueprint))
        spare = SLOTS * self.environments
        index = torch.where(where, slot * self.environments + self._indices, spare)
        for matrices, new in (
            (weights.seed_inner, inner),
            (masks.seed_inner, self._learning_inner.index_select(0, blueprint)),
            (masks.seed_outer, self._learning_outer.index_select(0, blueprint)),
        ):
            with_spare_row(matrices).index_copy_(0, index, new)
        # The output of a new seed is 0, and it has no momentum.
        for matrices in (weights.seed_outer, momentum.seed_inner, momentum.seed_outer):
            with_spare_row(matrices).index_fill_(0, index, 0)

    def save_weights(self, index: Tensor, where: Tensor) -> None:
        """Save the weights of environments `index` [n] where `where` (bool [N]) is True."""
        index_or_spare = torch.where(where.index_select(0, index), index, self.environments)
        for saved, weights in zip(self.saved_weights, self.weights, strict=True):
            saved.index_copy_(_DIMENSION, index_or_spare, _select(weights, index))

    def restore_weights(self, index: Tensor, where: Tensor) -> None:
        """Restore the saved weights of environments `index` [n] where `where` is True, and reset their
        momentum."""
        back = where.index_select(0, index)[:, None, None]
        for saved, weights, momentum in zip(self.saved_weights, self.weights, self.momentum, strict=True):
            restored = torch.where(back, _select(saved, index), _select(weights, index))
            weights.index_copy_(_DIMENSION, index, restored)
            momentum.index_copy_(_DIMENSION, index, _select(momentum, index).masked_fill(back, 0))

    def train(self, modes: list[SeedMode], is_learning: Tensor) -> None:
        """Train every host with the preset's gradient steps, and the seeds where `is_learning` (bool [3,
        N])."""
        is_learning = is_learning.float()
        for _ in range(self._preset.sgd_steps):
            features, labels = self._draw_batch()
            host_network.gradients(features, labels, self.weights, modes, into=self._gradient)
            norm = host_optimiser.step(self.weights, self.momentum, self._gradient, self._masks, is_learning)
            self.gradient_norm.copy_(norm)

    def _draw_batch(self) -> tuple[Tensor, Tensor]:
        shape = (self.environments, self._preset.batch_size)
        index = self._random.integers(0, len(self._digits.train_labels), *shape)
        wrong = self._random.uniform(*shape) < self.label_noise
        random = self._random.integers(0, CLASSES, *shape)
        labels = torch.where(wrong, random, self._digits.train_labels[index])
        return feature_major(self._digits.train_features, index), labels

    def evaluate(self, modes: list[SeedMode]) -> HostEvaluation:
        """Evaluate every host with its seeds, and with each seed left out."""
        scores = host_network.counterfactual_logits(self.validation_features, self.weights, modes)
        true = scores.flatten().index_select(0, self._true_scores.flatten()).view_as(self._true_scores)
        accuracy = (true >= scores.amax(1)).float().mean(2)
        loss = (scores[:, :, 0].logsumexp(1) - true[:, 0]).mean(1)
        return HostEvaluation(
            loss=loss.nan_to_num(WORST_LOSS, WORST_LOSS, WORST_LOSS).clamp_max(WORST_LOSS),
            accuracy=accuracy[:, 0],
            contribution=(accuracy[:, :1] - accuracy[:, 1:]).T.contiguous(),
        )

    def parameter_ratio(self, slots: Slots) -> Tensor:
        """Parameters of every active seed over those of its host, float32 [3, N]."""
        return self.tables.parameters[slots.blueprint] * slots.active / self.parameters

    def rectified(self, slots: Slots) -> Tensor:
        """1 where a slot's blueprint has rectified hidden units, float32 [3, N]."""
        return (self.tables.floor[slots.blueprint] == 0).float()

    def attends(self, slots: Slots) -> Tensor:
        """1 where a slot's blueprint attends over tokens, float32 [3, N]."""
        return self.tables.attends[slots.blueprint]

    def modes(self, slots: Slots) -> list[SeedMode]:
        """How the seed blocks of each slot operate, for `train` and `evaluate`."""
        alpha, blueprint = slots.alpha.value, slots.blueprint
        learning = torch.where(slots.stage == Stage.TRAINING, 1.0, alpha)
        blends = torch.stack([alpha, learning])[:, None] * self._style_indicators[:, slots.style]
        properties = torch.stack([self.tables.floor[blueprint], self.attends(slots), (alpha > 0).float()])
        by_slot = torch.cat([properties, blends.flatten(0, 1)])[..., None, None].unbind(1)
        return [
            SeedMode(floor, attends, passing, BlendWeights(*numbers[:3]), BlendWeights(*numbers[3:]))
            for floor, attends, passing, *numbers in (slot.unbind() for slot in by_slot)
        ]


def _select(tensor: Tensor, index: Tensor) -> Tensor:
    """The entries of environments `index` [n]."""
    return tensor.index_select(_DIMENSION, index)


def _style_indicators(device: torch.device) -> Tensor:
    """1 where a style is additive, gated or multiplied, float32 [3, styles]."""
    kinds = (Style.LINEAR_ADD, Style.SIGMOID_ADD), (Style.GATED_GATE,), (Style.LINEAR_MULTIPLY,)
    return torch.tensor([[float(style in kind) for style in Style] for kind in kinds], device=device)
