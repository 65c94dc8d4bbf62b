"""The precision that a run declares in its settings, on which the error of rounding depends."""

import re
from collections.abc import Mapping

_LOW = re.compile(r"\b(bf16|fp16|bfloat16|float16|half|tf32|fp8)\b", re.IGNORECASE)
_SWITCHES = frozenset({"bf16", "fp16", "tf32", "amp", "use_amp", "autocast", "mixed_precision", "half"})


def is_low_precision(config: Mapping[str, object], device: str) -> bool:
    """Return whether products may be computed in less than float32.

    On CUDA the recurrent layers of PyTorch use TensorFloat-32 unless that is switched off.
    """
    if device.startswith("cuda"):
        return True
    return any(_is_low(name, value) for name, value in config.items())


def _is_low(name: str, value: object) -> bool:
    if isinstance(value, str):
        words = value.replace("_", " ").replace("-", " ").replace(".", " ")
        return bool(_LOW.search(words)) or (name == "precision" and words.startswith("16"))
    return value is True and name.rpartition(".")[2].lower() in _SWITCHES
