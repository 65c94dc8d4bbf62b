"""The hosts of all environments in training: weights, batches, validation and new seeds."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage, Style
from esper_trainer.environment import blueprints, data, host, optimiser
from esper_trainer.environment.blueprints import INNER_ROWS
from esper_trainer.environment.cell import CellRole
from esper_trainer.environment.data import CLASSES, FEATURES, feature_major
from esper_trainer.environment.draws import Draws
from esper_trainer.environment.host import BLOCK_WIDTH, READOUT_FEATURES, SLOTS
from esper_trainer.environment.lifecycle import Slots
from esper_trainer.environment.optimiser import MOMENTUM
from esper_trainer.environment.presets import Preset

LABEL_NOISE = 0.1
"""The labels of a host's batches are random with a probability between 0 and this."""
WORST_LOSS = 100.0
"""What a validation loss that is larger, or not a number, counts as."""


class Evaluation(NamedTuple):
    """A host with its seeds on its validation subset; float32, always finite.

    loss [N]: mean cross-entropy in nats. accuracy [N]: 0..1. contribution [3, N]: the accuracy
    minus the accuracy without that slot's seed, 0 where no seed takes part.
    """

    loss: Tensor
    accuracy: Tensor
    contribution: Tensor


class Population:
    """N host networks, their seeds' cells and their data, on the device of `draws`.

    The amount of randomness drawn never depends on what is done, so that runs that differ in their
    actions alone see the same hosts and batches.
    """

    def __init__(self, environments: int, preset: Preset, draws: Draws) -> None:
        self.environments = environments
        self._preset = preset
        self._draws = draws
        self.generator = draws.generator
        self._digits = data.load(draws.device)
        self._tables = blueprints.build(draws.device)
        self._weights = host.zeros(environments, draws.device)
        self._momentum = host.zeros(environments, draws.device)
        self._gradient = host.zeros(environments, draws.device)
        self._masks = host.zeros(environments, draws.device)
        self._saved = host.zeros(environments, draws.device)
        validation = environments, preset.validation_size
        self._validation_features = self._weights.readout.new_zeros(environments, FEATURES, validation[1])
        self._validation_labels = self._digits.validation_labels.new_zeros(validation)
        self._label_noise = self._weights.readout.new_zeros(environments, 1)
        self.gradient_norm = self._weights.readout.new_zeros(SLOTS, environments)
        self.parameters = self._weights.readout.new_zeros(environments)
        self.reset()

    def reset(self) -> None:
        """Draw new hosts, new label noise and new validation subsets; there are no seeds."""
        for tensor in (*self._weights, *self._momentum, *self._masks):
            tensor.zero_()
        self._draw_hosts()
        for saved, weights in zip(self._saved, self._weights, strict=True):
            saved.copy_(weights)
        self._draw_validation()
        self._label_noise.copy_(LABEL_NOISE * self._draws.uniform(self.environments, 1))
        self.gradient_norm.zero_()

    def _draw_hosts(self) -> None:
        width = self._draws.integers(1, BLOCK_WIDTH + 1, self.environments)
        unit = torch.arange(BLOCK_WIDTH, device=width.device) < width[:, None]
        block_in, readout = self._weights.block_in, self._weights.readout
        scale = FEATURES**-0.5
        block_in.copy_(scale * self._draws.normal(*block_in.shape) * unit[:, :, None])
        readout.copy_(scale * self._draws.normal(*readout.shape))
        readout[:, :, READOUT_FEATURES:] = 0
        self._masks.block_in.copy_((1 - MOMENTUM) * unit[:, :, None])
        self._masks.block_out.copy_((1 - MOMENTUM) * unit[:, None, :])
        self._masks.readout[:, :, :READOUT_FEATURES] = 1 - MOMENTUM
        self.parameters.copy_(SLOTS * 2 * FEATURES * width + CLASSES * READOUT_FEATURES)

    def _draw_validation(self) -> None:
        keys = self._draws.uniform(self.environments, len(self._digits.validation_labels))
        index = keys.argsort(dim=1)[:, : self._preset.validation_size]
        self._validation_features.copy_(feature_major(self._digits.validation_features, index))
        self._validation_labels.copy_(self._digits.validation_labels[index])

    def germinate(self, where: Tensor, slot: Tensor, blueprint: Tensor) -> None:
        """Draw a new cell of `blueprint` in `slot` where `where` is True; all [N]."""
        uniform = self._draws.uniform(self.environments, INNER_ROWS, FEATURES)
        inner = (2 * uniform - 1) * self._tables.inner_scale.index_select(0, blueprint)
        outer = torch.zeros_like(self._weights.cell_outer[0])  # a new seed says nothing yet
        inner_mask = (1 - MOMENTUM) * self._tables.inner_mask.index_select(0, blueprint)
        outer_mask = (1 - MOMENTUM) * self._tables.outer_mask.index_select(0, blueprint)
        index = slot * self.environments + torch.arange(self.environments, device=slot.device)
        for cells, new in (
            (self._weights.cell_inner, inner),
            (self._weights.cell_outer, outer),
            (self._momentum.cell_inner, torch.zeros_like(inner)),
            (self._momentum.cell_outer, outer),
            (self._masks.cell_inner, inner_mask),
            (self._masks.cell_outer, outer_mask),
        ):
            rows = cells.flatten(0, 1)
            old = rows.index_select(0, index)
            rows.index_copy_(0, index, torch.where(where[:, None, None], new, old))

    def save(self, index: Tensor, where: Tensor) -> None:
        """Remember the weights of environments `index` [n], of those where `where` (bool [N]) is True."""
        for saved, weights in zip(self._saved, self._weights, strict=True):
            _put_rows(saved, _rows(weights, index), index, where)

    def restore(self, index: Tensor, where: Tensor) -> None:
        """Give back what was saved, and forget their momentum."""
        for saved, weights, momentum in zip(self._saved, self._weights, self._momentum, strict=True):
            _put_rows(weights, _rows(saved, index), index, where)
            _put_rows(momentum, weights.new_zeros(()), index, where)

    def train(self, slots: Slots) -> None:
        """Take the preset's gradient steps in every host."""
        roles = self._roles(slots)
        learns = slots.learns.float()
        for _ in range(self._preset.sgd_steps):
            features, labels = self._draw_batch()
            host.gradients(features, labels, self._weights, roles, into=self._gradient)
            norm = optimiser.step(self._weights, self._momentum, self._gradient, self._masks, learns)
            self.gradient_norm.copy_(norm)

    def _draw_batch(self) -> tuple[Tensor, Tensor]:
        shape = (self.environments, self._preset.batch_size)
        index = self._draws.integers(0, len(self._digits.train_labels), *shape)
        wrong = self._draws.uniform(*shape) < self._label_noise
        random = self._draws.integers(0, CLASSES, *shape)
        labels = torch.where(wrong, random, self._digits.train_labels[index])
        return feature_major(self._digits.train_features, index), labels

    def evaluate(self, slots: Slots) -> Evaluation:
        """Measure every host with its seeds, and with each seed left out."""
        roles = self._roles(slots)
        scores = host.counterfactual_logits(self._validation_features, self._weights, roles)
        labels = self._validation_labels[:, None, None].expand(-1, 1, scores.shape[2], -1)
        true = scores.gather(1, labels).squeeze(1)
        accuracy = (true >= scores.amax(1)).float().mean(2)
        loss = (scores[:, :, 0].logsumexp(1) - true[:, 0]).mean(1)
        return Evaluation(
            loss=loss.nan_to_num(WORST_LOSS, WORST_LOSS, WORST_LOSS).clamp_max(WORST_LOSS),
            accuracy=accuracy[:, 0],
            contribution=(accuracy[:, :1] - accuracy[:, 1:]).T.contiguous(),
        )

    def parameter_ratio(self, slots: Slots) -> Tensor:
        """Parameters of every living seed over those of its host, float32 [3, N]."""
        return self._tables.parameters[slots.blueprint] * slots.active / self.parameters

    def rectified(self, slots: Slots) -> Tensor:
        """1 where a slot's blueprint has rectified hidden units, float32 [3, N]."""
        return (self._tables.floor[slots.blueprint] == 0).float()

    def attends(self, slots: Slots) -> Tensor:
        """1 where a slot's blueprint attends over tokens, float32 [3, N]."""
        return self._tables.attends[slots.blueprint]

    def _roles(self, slots: Slots) -> list[CellRole]:
        alpha, style = slots.alpha.value, slots.style
        adds = (style == Style.LINEAR_ADD) | (style == Style.SIGMOID_ADD)
        roles = CellRole(
            floor=self._tables.floor[slots.blueprint],
            attends=self.attends(slots),
            alpha=alpha,
            learning=torch.where(slots.stage == Stage.TRAINING, 1.0, alpha),
            passing=(alpha > 0).float(),
            additive=adds.float(),
            gated=(style == Style.GATED_GATE).float(),
            multiplied=(style == Style.LINEAR_MULTIPLY).float(),
        )
        by_slot = torch.stack(roles, 1)[..., None, None]
        return [CellRole(*by_slot[slot]) for slot in range(SLOTS)]


def _rows(tensor: Tensor, index: Tensor) -> Tensor:
    """Environments `index` [n]; the environments are the third from last dimension."""
    return tensor.index_select(tensor.dim() - 3, index)


def _put_rows(tensor: Tensor, new: Tensor, index: Tensor, where: Tensor) -> None:
    """Make environments `index` [n] `new`, those where `where` [N] is True."""
    rows = torch.where(where[index][:, None, None], new, _rows(tensor, index))
    tensor.index_copy_(tensor.dim() - 3, index, rows)
