"""Compilation of the pointwise part of an update, from the policy's output to loss and statistics.

torch.compile fuses dozens of passes over [8, N] tensors into a few. Compiling takes up to a minute, and needs
a C++ compiler on the CPU or Triton on CUDA, while most of an update's time is spent in the LSTM; so it is
optional.
"""

import warnings
from collections.abc import Callable
from typing import Generic, NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor

from esper_trainer.device.cuda_graphs import Warn, root_cause
from esper_trainer.measure.minibatch_statistics import MinibatchStatistics, minibatch_statistics
from esper_trainer.model.action_layout import ActionLayout
from esper_trainer.model.distributions import evaluate
from esper_trainer.ppo.batch import RolloutBatch, StepCounts
from esper_trainer.ppo.combined_loss import CombinedLoss, LossCoefficients, combined_loss

BACKEND = "inductor"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class LossEvaluation(NamedTuple):
    """Log-probabilities and entropies of the actions, [8, N] each, and the loss.

    Only the loss has a gradient.
    """

    log_probs: Tensor
    entropies: Tensor
    combined: CombinedLoss


def evaluate_loss(
    logits: Tensor,
    values: Tensor,
    batch: RolloutBatch,
    step_counts: StepCounts,
    coefficients: LossCoefficients,
    layout: ActionLayout,
) -> LossEvaluation:
    """Evaluate logits [41, N] and values [N] on a flat batch; differentiable."""
    log_probs, entropies = evaluate(logits, batch.penalty, batch.actions, layout)
    combined = combined_loss(log_probs, entropies, values, batch, step_counts, coefficients)
    return LossEvaluation(log_probs.detach(), entropies.detach(), combined)


class PointwiseFunctions(NamedTuple):
    """The two pointwise functions of an update, compiled or not."""

    evaluate_loss: Callable[
        [Tensor, Tensor, RolloutBatch, StepCounts, LossCoefficients, ActionLayout], LossEvaluation
    ]
    minibatch_statistics: Callable[..., MinibatchStatistics]


EAGER = PointwiseFunctions(evaluate_loss, minibatch_statistics)


def compile_pointwise(warn: Warn) -> PointwiseFunctions:
    """Functions that are compiled at their first call; if that fails, `warn` is called and they run
    eagerly."""
    return PointwiseFunctions(
        _Compiled(evaluate_loss, warn, lambda evaluation: evaluation.combined.loss),
        _Compiled(minibatch_statistics, warn),
    )


class _Compiled(Generic[Arguments, Result]):
    """A function that is compiled at its first call, for the shapes of that call.

    differentiated: the part of its result of which gradients are taken, if any.
    """

    def __init__(
        self,
        function: Callable[Arguments, Result],
        warn: Warn,
        differentiated: Callable[[Result], Tensor] | None = None,
    ) -> None:
        self._function, self._warn, self._differentiated = function, warn, differentiated
        self._chosen: Callable[Arguments, Result] | None = None

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if self._chosen is None:
            self._chosen = self._choose(*args, **kwargs)
        return self._chosen(*args, **kwargs)

    def _choose(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Callable[Arguments, Result]:
        try:
            compiled = torch.compile(self._function, fullgraph=True, dynamic=False, backend=BACKEND)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the compiler warns about its own code
                self._compile_both_passes(compiled, *args, **kwargs)
        except Exception as error:
            self._warn(f"Compilation failed; updates run eagerly: {root_cause(error)}")
            return self._function
        return compiled

    def _compile_both_passes(
        self,
        compiled: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> None:
        """Run forward and backward once: the backward pass is compiled when it first runs."""
        result = compiled(*map(_detached, args), **kwargs)  # type: ignore[arg-type]  # the same ones
        if self._differentiated is not None:
            torch.autograd.backward(self._differentiated(result))


def _detached(argument: object) -> object:
    """The argument as a leaf of the autograd graph."""
    if isinstance(argument, Tensor):
        return argument.detach().requires_grad_(argument.requires_grad)
    return argument
