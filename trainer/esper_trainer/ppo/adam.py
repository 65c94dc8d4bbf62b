"""Adam (Kingma and Ba 2015) with torch's fused kernel.

`torch.optim.Adam` calls the same kernel, but its first step imports the front end of torch.compile, which
takes time and is not needed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

BETAS = (0.9, 0.999)


class Adam:
    """Applies given gradients in place; if `skip` is 1, a step changes neither parameters nor its own
    state.

    All state is on the device of the parameters. On CUDA the learning rate is a tensor, so that a captured
    step uses the current one.
    """

    def __init__(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], learning_rate: float, epsilon: float
    ) -> None:
        like = parameters[0]
        self._parameters, self._gradients, self._epsilon = list(parameters), list(gradients), epsilon
        self._means = [torch.zeros_like(parameter) for parameter in parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in parameters]
        self._steps = [like.new_zeros(()) for _ in parameters]
        rate: float | Tensor = like.new_tensor(learning_rate) if like.is_cuda else learning_rate
        self._learning_rate = rate
        self.skip = like.new_zeros(())

    @torch.no_grad()
    def step(self) -> None:
        """Take one step, unless `skip` is 1."""
        torch._foreach_add_(self._steps, 1)
        torch._fused_adam_(
            self._parameters, self._gradients, self._means, self._squares, [], self._steps,
            lr=self._learning_rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=0.0, eps=self._epsilon,
            amsgrad=False, maximize=False, found_inf=self.skip,
        )  # fmt: skip
        torch._foreach_sub_(self._steps, [self.skip] * len(self._steps))

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this learning rate from the next step on."""
        if isinstance(self._learning_rate, Tensor):
            self._learning_rate.fill_(learning_rate)
        else:
            self._learning_rate = learning_rate

    def state_dict(self) -> dict[str, Tensor]:
        """Step counts and moments by parameter index, under the names of torch.optim."""
        columns = {"step": self._steps, "exp_avg": self._means, "exp_avg_sq": self._squares}
        return {f"{i}.{name}": tensor for name, column in columns.items() for i, tensor in enumerate(column)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a `state_dict`. Raises KeyError or RuntimeError if it belongs to other parameters."""
        own = self.state_dict()
        for name, value in state.items():
            own[name].copy_(value)
