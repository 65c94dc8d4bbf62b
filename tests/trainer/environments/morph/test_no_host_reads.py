"""The check for host reads can fail."""

import pytest
import torch

VALUES = torch.arange(4.0)


@pytest.mark.parametrize(
    "read",
    [
        lambda: VALUES[0].item(),
        lambda: float(VALUES[0]),
        lambda: bool(VALUES[0] > 0),
        lambda: VALUES[VALUES > 1],
        lambda: VALUES.clone().__setitem__(VALUES > 1, 0.0),
        lambda: VALUES.nonzero(),
        lambda: VALUES.masked_select(VALUES > 1),
        lambda: VALUES.unique(),
        lambda: torch.equal(VALUES, VALUES),
        lambda: VALUES.tolist(),
        lambda: VALUES.numpy(),
        lambda: VALUES.cpu(),
    ],
)
def test_a_read_is_an_error(no_host_reads, read):
    """Every way to read a tensor's values on the host is caught."""
    with no_host_reads(), pytest.raises(AssertionError, match="host"):
        read()


def test_device_work_is_allowed(no_host_reads):
    """Arithmetic, selection by index and masked writes of a value are not reads."""
    with no_host_reads():
        chosen = VALUES[torch.tensor([1, 2])] + 1
        masked = torch.where(VALUES > 1, VALUES, 0.0).masked_fill(VALUES > 2, 5.0)

    assert chosen.tolist() == [2.0, 3.0]
    assert masked.tolist() == [0.0, 0.0, 2.0, 5.0]
