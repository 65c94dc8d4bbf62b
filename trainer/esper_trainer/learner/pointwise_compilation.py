"""The pointwise tail of an update, from what the policy says to what is descended and measured.

Compiled, dozens of passes over [8, N] tensors become a few. It takes torch.compile the best part of a minute
and a C++ compiler on the CPU, or Triton on CUDA; and most of an update's time is the LSTM's. So it is done
only where it was asked for.
"""

import warnings
from collections.abc import Callable
from typing import Generic, NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor

from esper_trainer.device.cuda_graphs import Told, why
from esper_trainer.measure.minibatch_statistics import Evaluation, Extremes, Sums, extremes, sums
from esper_trainer.model.action_layout import Layout
from esper_trainer.model.distributions import evaluate
from esper_trainer.ppo.batch import Batch, Counts
from esper_trainer.ppo.combined_loss import Objective, Terms, objective

BACKEND = "inductor"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Judged(NamedTuple):
    """Log-probabilities and entropies of the actions taken, [8, N] each, and what is made of them.

    Only the loss has a gradient.
    """

    log_probs: Tensor
    entropies: Tensor
    made: Objective


def judge(
    logits: Tensor, values: Tensor, batch: Batch, counted: Counts, terms: Terms, layout: Layout
) -> Judged:
    """Hold the policy's output, logits [41, N] and values [N], against a flat batch; differentiable."""
    log_probs, entropies = evaluate(logits, batch.penalty, batch.actions, layout)
    made = objective(log_probs, entropies, values, batch, counted, terms)
    return Judged(log_probs.detach(), entropies.detach(), made)


def measure(evaluation: Evaluation, batch: Batch, clip_range: float) -> tuple[Sums, Extremes]:
    """What every step of an update adds to its telemetry."""
    return sums(evaluation, batch, clip_range), extremes(evaluation, batch)


class Tail(NamedTuple):
    """Both parts, compiled or not."""

    judge: Callable[[Tensor, Tensor, Batch, Counts, Terms, Layout], Judged]
    measure: Callable[[Evaluation, Batch, float], tuple[Sums, Extremes]]


PLAIN = Tail(judge, measure)


def compiled(told: Told) -> Tail:
    """Both parts, compiled at their first use; or as they are, and `told` hears why."""
    return Tail(_Compiled(judge, told, lambda judged: judged.made.loss), _Compiled(measure, told))


class _Compiled(Generic[Arguments, Result]):
    """Work that is compiled when it is first done, for the shapes that it then has.

    descended: what of its result gradients are taken of, if any are.
    """

    def __init__(
        self,
        work: Callable[Arguments, Result],
        told: Told,
        descended: Callable[[Result], Tensor] | None = None,
    ) -> None:
        self._work, self._told, self._descended = work, told, descended
        self._chosen: Callable[Arguments, Result] | None = None

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if self._chosen is None:
            self._chosen = self._choose(*args, **kwargs)
        return self._chosen(*args, **kwargs)

    def _choose(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Callable[Arguments, Result]:
        try:
            compiled = torch.compile(self._work, fullgraph=True, dynamic=False, backend=BACKEND)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what the compiler warns of is in its own code
                self._rehearse(compiled, *args, **kwargs)
        except Exception as error:
            self._told(f"An update is not compiled but launched operation by operation: {why(error)}")
            return self._work
        return compiled

    def _rehearse(
        self, compiled: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> None:
        """There and back, while nothing depends on it: the way back is compiled when it is first gone."""
        result = compiled(*map(_cut_off, args), **kwargs)  # type: ignore[arg-type]  # the same ones
        if self._descended is not None:
            torch.autograd.backward(self._descended(result))


def _cut_off(argument: object) -> object:
    """The same without its history; its gradient ends here."""
    if isinstance(argument, Tensor):
        return argument.detach().requires_grad_(argument.requires_grad)
    return argument
