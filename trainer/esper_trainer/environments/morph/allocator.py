"""Keep freed memory for the next step instead of giving it back to the kernel."""

import torch

_LARGE = 31 << 20


def keep_freed_memory() -> None:
    """Teach glibc's malloc to keep what is freed.

    By default it maps every block above 128 KiB anew, so that each step pays for its page faults
    again. Its threshold is dynamic, though: it rises to the size of the largest mapped block that
    was freed, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    torch.empty(_LARGE, dtype=torch.uint8)
