"""The eight masked categorical distributions as head-major tensors, without host reads.

A mask is finite: exp(-60) is small and fast, whereas exp(-1e9) takes a slow path and 0 * -inf is NaN.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from esper_trainer.layout import HEAD_COUNT, MOST_CHOICES, OP, SLOT, Layout

MASKED_LOGIT = -60.0
"""Where an illegal choice stands below the best legal one, in nats."""

OUT_OF_REACH = 1e28
"""Times `MASKED_LOGIT`: below any logit, so that the largest one is a legal one."""


SMALLEST_UNIFORM = 1e-12
"""Stands for 0, whose Gumbel noise would be infinite."""


class Legal(NamedTuple):
    """Legal choices in the form that masking needs, both float32 [8, 13, N].

    allowed: 1 where a choice is legal, else 0. penalty: 0 where it is legal, else `MASKED_LOGIT`.
    """

    allowed: Tensor
    penalty: Tensor


class Sample(NamedTuple):
    """One choice per head: actions int64 [8, N], their log_probs [8, N], open slots bool [3, N]."""

    actions: Tensor
    log_probs: Tensor
    slots: Tensor


def legal(mask: Tensor) -> Legal:
    """Prepare a mask bool [8, 13, N]."""
    allowed = mask.float()
    return Legal(allowed, (1.0 - allowed) * MASKED_LOGIT)


def legal_choices(choices: Tensor, ops: Tensor, slots: Tensor) -> Tensor:
    """The mask bool [8, 13, N] from the static one [8, 13], open ops [6, N] and open slots [3, N]."""
    mask = choices.unsqueeze(-1).repeat(1, 1, ops.shape[-1])
    mask[OP, : ops.shape[0]] &= ops
    mask[SLOT, : slots.shape[0]] &= slots
    return mask


def padded(logits: Tensor, layout: Layout) -> Tensor:
    """Spread rows [41, N] into the padded block [8, 13, N]."""
    return logits.index_select(0, layout.padding).view(HEAD_COUNT, MOST_CHOICES, -1)


def masked(logits: Tensor, legal: Legal) -> Tensor:
    """Logits [8, 13, N] relative to the best legal one, `MASKED_LOGIT` where illegal."""
    reach = torch.add(logits, legal.penalty, alpha=OUT_OF_REACH)
    best = reach.amax(1, keepdim=True)
    return torch.addcmul(legal.penalty, logits - best, legal.allowed)


class _Evaluate(torch.autograd.Function):
    """Log-probability and entropy with their analytic gradients.

    With p the probabilities, l their logarithms, a the action and H the entropy,
    d l_a / d z = onehot(a) - p and d H / d z = -p * (l + H).
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, legal: Legal, actions: Tensor, layout: Layout
    ) -> tuple[Tensor, Tensor]:
        scores = masked(padded(logits, layout), legal)
        weights = scores.exp()
        total = weights.sum(1, keepdim=True)
        probabilities = weights.div_(total)
        log_probs = scores.sub_(total.log_())
        entropies = (probabilities * log_probs).sum(1).neg_()
        ctx.save_for_backward(probabilities, log_probs, entropies, actions, layout.places)
        return log_probs.gather(1, actions.unsqueeze(1)).squeeze(1), entropies

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        probabilities, log_probs, entropies, actions, places = ctx.saved_tensors
        of_log_prob, of_entropy = (gradient.unsqueeze(1) for gradient in gradients)
        slope = log_probs + entropies.unsqueeze(1)
        slope.mul_(of_entropy).add_(of_log_prob).mul_(probabilities).neg_()
        slope.scatter_add_(1, actions.unsqueeze(1), of_log_prob)
        return slope.flatten(0, 1).index_select(0, places), None, None, None


def evaluate(logits: Tensor, legal: Legal, actions: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Log-probabilities of actions int64 [8, N] and entropies in nats, [8, N] each.

    logits [41, N]; differentiable in them.
    """
    evaluated: tuple[Tensor, Tensor] = _Evaluate.apply(  # type: ignore[no-untyped-call]
        logits, legal, actions, layout
    )
    return evaluated


def sample(
    logits: Tensor,
    ops: Tensor,
    slots_by_op: Tensor,
    choices: Tensor,
    layout: Layout,
    generator: torch.Generator,
) -> Sample:
    """Choose by the Gumbel-max trick: the op first, then the slot among those that it leaves open.

    logits [41, N]; ops bool [6, N]; slots_by_op bool [6, 3, N]; choices bool [8, 13].
    """
    block = padded(logits, layout)
    perturbed = block + _gumbel(block, generator)
    op = _best(perturbed[OP, : ops.shape[0]], ops, 0)
    slots = slots_by_op.gather(0, op.expand(1, slots_by_op.shape[1], -1)).squeeze(0)
    mask = legal_choices(choices, ops, slots)
    actions = _best(perturbed, mask, 1)
    log_probs = masked(block, legal(mask)).log_softmax(1)
    return Sample(actions, log_probs.gather(1, actions.unsqueeze(1)).squeeze(1), slots)


def _gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise; finite, so that a legal choice always beats an illegal one."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device)
    return uniform.clamp_min_(SMALLEST_UNIFORM).log_().neg_().log_().neg_()


def _best(scores: Tensor, mask: Tensor, dim: int) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf).argmax(dim)
