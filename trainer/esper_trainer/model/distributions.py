"""The eight masked categorical distributions as head-major tensors, without host reads.

Masking is finite: exp(-60) is small and fast, whereas exp(-1e9) takes a slow path and 0 * -inf is NaN.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES
from esper_trainer.model.action_layout import HEAD_COUNT, LOGIT_COUNT, MAX_CHOICES, OP, SLOT, ActionLayout

MASKED_LOGIT = -60.0
"""The logit of an illegal choice relative to the best legal one, in nats."""

MASK_PENALTY = 1e30
"""Larger than any logit, so that the maximum of penalised logits is always a legal one."""

MIN_UNIFORM = 1e-12
"""Replaces 0, whose Gumbel noise would be infinite."""


class ActionSample(NamedTuple):
    """One choice per head: actions int64 [8, N], log_probs float32 [8, N], legal slots bool [3, N]."""

    actions: Tensor
    log_probs: Tensor
    slots: Tensor


def choice_mask(choices: Tensor, ops: Tensor, slots: Tensor) -> Tensor:
    """The mask bool [8, 13, N] from the static mask [8, 13], legal ops [6, N] and legal slots [3, N]."""
    mask = choices.unsqueeze(-1).repeat(1, 1, ops.shape[-1])
    mask[OP, : ops.shape[0]] &= ops
    mask[SLOT, : slots.shape[0]] &= slots
    return mask


def padded(logits: Tensor, layout: ActionLayout) -> Tensor:
    """Spread rows [41, N] into the padded block [8, 13, N]."""
    return logits.index_select(0, layout.padding).view(HEAD_COUNT, MAX_CHOICES, -1)


def mask_penalties(mask: Tensor, layout: ActionLayout) -> Tensor:
    """Additive mask float32 [41, N]: 0 where the mask bool [8, 13, N] is True, else -`MASK_PENALTY`."""
    return (mask.flatten(0, 1).index_select(0, layout.positions).float() - 1.0) * MASK_PENALTY


class _Evaluate(torch.autograd.Function):
    """Log-probability and entropy with their analytic gradients.

    With s the logits relative to the best legal one of their head, w = exp(s), W = sum w, p = w / W their
    probabilities, a the action and H = ln W - sum(w * s) / W the entropy, d ln p_a / d s = onehot(a) - p and
    d H / d s = -p * (s - ln W + H).
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, penalty: Tensor, actions: Tensor, layout: ActionLayout
    ) -> tuple[Tensor, Tensor]:
        scores = _relative(logits + penalty, layout)
        weights, membership = scores.exp(), layout.membership[:, :LOGIT_COUNT]
        total, rows = membership @ weights, actions + layout.first
        log_total = total.log()
        entropies = log_total - (membership @ (weights * scores)).div_(total)
        ctx.save_for_backward(scores, weights, total, entropies - log_total, rows, layout.heads)
        return scores.gather(0, rows).sub_(log_total), entropies

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scores, weights, total, offset, rows, heads = ctx.saved_tensors
        of_log_prob, of_entropy = gradients
        factor = of_entropy / total.neg()
        constant = torch.addcmul(of_log_prob / total.neg(), factor, offset)
        slope = constant.index_select(0, heads).addcmul_(factor.index_select(0, heads), scores)
        slope.mul_(weights).scatter_add_(0, rows, of_log_prob)
        return slope, None, None, None


def _relative(logits: Tensor, layout: ActionLayout) -> Tensor:
    """Penalised logits [41, N] minus the maximum of their head, at least `MASKED_LOGIT`; in place."""
    best = torch.stack([rows.amax(0) for rows in torch.split(logits, list(HEAD_SIZES.values()))])
    return logits.sub_(best.index_select(0, layout.heads)).clamp_min_(MASKED_LOGIT)


def evaluate(logits: Tensor, penalty: Tensor, actions: Tensor, layout: ActionLayout) -> tuple[Tensor, Tensor]:
    """Log-probabilities of actions int64 [8, N] and entropies in nats, [8, N] each.

    logits and penalty [41, N]; differentiable with respect to the logits.
    """
    add_evaluation: tuple[Tensor, Tensor] = _Evaluate.apply(  # type: ignore[no-untyped-call]
        logits, penalty, actions, layout
    )
    return add_evaluation


def sample(
    logits: Tensor,
    ops: Tensor,
    slots_by_op: Tensor,
    choices: Tensor,
    layout: ActionLayout,
    generator: torch.Generator,
) -> ActionSample:
    """Sample actions by the Gumbel-max trick: the op first, then the slot among those legal for that op.

    logits [41, N]; ops bool [6, N]; slots_by_op bool [6, 3, N]; choices bool [8, 13].
    """
    block = padded(logits, layout)
    perturbed = block + _gumbel(block, generator)
    op = _best(perturbed[OP, : ops.shape[0]], ops, 0)
    slots = slots_by_op.gather(0, op.expand(1, slots_by_op.shape[1], -1)).squeeze(0)
    mask = choice_mask(choices, ops, slots)
    actions = _best(perturbed, mask, 1)
    log_probs, _ = evaluate(logits, mask_penalties(mask, layout), actions, layout)
    return ActionSample(actions, log_probs, slots)


def _gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise; finite, so that a legal choice always beats an illegal one."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device)
    return uniform.clamp_min_(MIN_UNIFORM).log_().neg_().log_().neg_()


def _best(scores: Tensor, mask: Tensor, dim: int) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf).argmax(dim)
