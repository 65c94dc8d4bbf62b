"""What an update measures, on its way from the device to the host.

The device only sums and compares: what it measured is one float32 vector. The metrics follow from it on the
host, where a division is not an operation that waits in a queue.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torch import Tensor

from esper_trainer.device.host_transfer import pack, unpack
from esper_trainer.measure.critic_metrics import RolloutStatistics
from esper_trainer.measure.leading_signs import TrunkSample
from esper_trainer.measure.lstm_metrics import LSTMStatistics
from esper_trainer.measure.minibatch_statistics import Sums
from esper_trainer.measure.packed_metrics import MeasuredValue, average
from esper_trainer.measure.running_totals import Totals
from esper_trainer.measure.self_checks import FirstMinibatch


class Losses(NamedTuple):
    """Means over the steps of an update, 0-d: they are averaged over processes on the device."""

    policy: Tensor
    value: Tensor


class Measurements(NamedTuple):
    """All that an update measures; None for what its telemetry level leaves out.

    gradient_noise_scale and policy_churn are those of level DEBUG.
    """

    losses: Losses
    totals: Totals
    rollout: RolloutStatistics | None = None
    first: FirstMinibatch | None = None
    lstm: LSTMStatistics | None = None
    trunk: TrunkSample | None = None
    gradient_noise_scale: MeasuredValue | None = None
    policy_churn: MeasuredValue | None = None


def losses(sums: Sums) -> Losses:
    """The losses from the sums of an update."""
    return Losses(
        policy=-average(sums.surrogate, sums.relevant).value.sum(),
        value=0.5 * average(sums.squared_errors, sums.steps).value,
    )


def packed_losses(packed: Tensor) -> Losses:
    """The losses of packed measurements, on their device."""
    return Losses(packed[0], packed[1])


def pack_measurements(measurements: Measurements) -> Tensor:
    """Pack all tensors as float32 [F]."""
    return pack(tensors_of(measurements))


class Structure:
    """The nesting and shapes of measurements, by which packed ones are unpacked."""

    def __init__(self, measurements: Measurements) -> None:
        self._shapes = [tensor.shape for tensor in tensors_of(measurements)]
        places = iter(range(len(self._shapes)))
        self._places = _replaced(measurements, lambda _: next(places))

    def unpack(self, packed: Tensor) -> Measurements:
        """The measurements in a packed vector, as views of it."""
        tensors = unpack(packed, self._shapes)
        unpacked: Measurements = _replaced(self._places, lambda place: tensors[place])
        return unpacked


def tensors_of(tree: Any) -> Iterator[Tensor]:
    """All tensors of nested named tuples, in order."""
    if isinstance(tree, Tensor):
        yield tree
    elif tree is not None:
        for part in tree:
            yield from tensors_of(part)


def _replaced(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    """The same nested named tuples with other leaves."""
    if tree is None:
        return None
    return type(tree)(*(_replaced(part, leaf) for part in tree)) if isinstance(tree, tuple) else leaf(tree)
