"""Tamiyo, the policy: a feature layer, one LSTM, and one output layer for eight heads and the value."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from esper_trainer.model.action_layout import LOGIT_COUNT, VALUE_ROW

LSTMState = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, [1, B, H] each."""

POLICY_GAIN = 0.01
"""Gain of the initial weights of the heads: a new policy is nearly uniform over the legal choices."""


class LSTMStep(NamedTuple):
    """The last step of the LSTM, [B, H] each: its input features and hidden state, and its new states."""

    features: Tensor
    previous_hidden: Tensor
    hidden: Tensor
    cell: Tensor


class TrunkOutput(NamedTuple):
    """What the layers of the trunk return, [T, B, H] each: the first one before its normalisation and after
    its activation, and the hidden states of the LSTM."""

    preactivations: Tensor
    features: Tensor
    hidden: Tensor


class PolicyOutput(NamedTuple):
    """The output of the policy for a sequence; T steps of B environments are N = T * B, time-major.

    logits [41, N]; values [N]; state and last_step after the last step; trunk of all steps.
    """

    logits: Tensor
    values: Tensor
    state: LSTMState
    last_step: LSTMStep
    trunk: TrunkOutput


class Tamiyo(nn.Module):
    """Recurrent actor and critic with a shared trunk.

    Weights are initialised orthogonally and biases to 0, except 1 for the LSTM's forget gate, so that a new
    policy keeps its state.

    The critic's row predicts how many `value_std` a value is from `value_mean`; these are 1 and 0 unless
    `value_normalisation` changes them. With precision bfloat16, matrix products are computed in bfloat16 in
    rollouts and updates alike, and results are float32; on CUDA the LSTM stays float32.
    """

    def __init__(
        self, observation_size: int, hidden_size: int, *, seed: int, precision: str = "float32"
    ) -> None:
        super().__init__()
        self._low_precision = precision == "bfloat16"
        self.value_mean: Tensor
        self.value_std: Tensor
        self.register_buffer("value_mean", torch.zeros(()))
        self.register_buffer("value_std", torch.ones(()))
        self.features = nn.Sequential(
            nn.Linear(observation_size, hidden_size), nn.LayerNorm(hidden_size), nn.ReLU(inplace=True)
        )
        self.lstm = nn.LSTM(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, LOGIT_COUNT + 1)
        self._initialise(torch.Generator().manual_seed(seed))

    def forward(self, observations: Tensor, state: LSTMState | None = None) -> PolicyOutput:
        """Run sequences float32 [T, B, O] from a state, or from zeros."""
        if not self._low_precision:
            return self._forward(observations, state)
        with torch.autocast(observations.device.type, torch.bfloat16):
            return self._forward(observations, state)

    def _forward(self, observations: Tensor, state: LSTMState | None) -> PolicyOutput:
        linear, normalise, activate = self.features
        preactivations = linear(observations)
        features = activate(normalise(preactivations))
        previous_hidden = (state or self.initial_state(observations.shape[1]))[0]
        hidden, state = self._run_lstm(features, state)
        previous_hidden = hidden[-2] if len(hidden) > 1 else previous_hidden[0]
        last_step = LSTMStep(
            *(part.float() for part in (features[-1], previous_hidden, state[0][0], state[1][0]))
        )
        rows = torch.addmm(self.output.bias[:, None], self.output.weight, hidden.flatten(0, 1).t())
        logits, value = torch.split(rows.float(), [LOGIT_COUNT, 1])
        values = torch.addcmul(self.value_mean, value.squeeze(0), self.value_std)
        return PolicyOutput(logits, values, state, last_step, TrunkOutput(preactivations, features, hidden))

    def _run_lstm(self, features: Tensor, state: LSTMState | None) -> tuple[Tensor, LSTMState]:
        """Run the LSTM over features [T, B, H]."""
        if not features.is_cuda:
            return self.lstm(features, state)  # type: ignore[no-any-return]
        # Under autocast cuDNN's LSTM always computes in float16, and its gradients underflow.
        with torch.autocast("cuda", enabled=False):
            return self.lstm(features.float(), state)  # type: ignore[no-any-return]

    def initial_state(self, environments: int) -> LSTMState:
        """The LSTM state at the start of an episode."""
        zeros = self.output.weight.new_zeros(1, environments, self.lstm.hidden_size)
        return zeros, zeros

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        for name, parameter in self.named_parameters():
            if name.endswith("bias") or "bias_" in name:
                parameter.zero_()
        parameters = dict(self.named_parameters())
        nn.init.orthogonal_(parameters["features.0.weight"], gain=2**0.5, generator=generator)
        for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0"):
            for gate in parameters[name].chunk(4):
                nn.init.orthogonal_(gate, generator=generator)
        _, forget, _, _ = parameters["lstm.bias_ih_l0"].chunk(4)
        forget.fill_(1.0)
        nn.init.orthogonal_(self.output.weight[:LOGIT_COUNT], gain=POLICY_GAIN, generator=generator)
        nn.init.orthogonal_(self.output.weight[VALUE_ROW:], gain=1.0, generator=generator)
