"""Which number format the chip is good at, by what it can do and not what it says.

A T4 answers yes when asked for bf16 and then emulates it, so GPUs are asked
for their compute capability instead.
"""

from __future__ import annotations

import torch

from textxfer.errors import ConfigError


def choose_dtype(wanted: str, device: torch.device) -> str:
    """``auto`` → ``bf16`` (Ampere and later; CPUs with AVX-512-BF16), ``fp16`` (older GPUs), else ``float32``.

    Raises ConfigError for fp16 on a CPU, where gradients would be scaled in vain.
    """
    if device.type == "cuda":
        best = "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    elif device.type == "cpu":
        best = "bf16" if torch.cpu._is_avx512_bf16_supported() else "float32"
    else:
        best = "float32"
    if wanted == "fp16" and device.type == "cpu":
        raise ConfigError("precision.dtype is fp16, which a CPU does not train in; use float32, bf16 or auto.")
    return best if wanted == "auto" else wanted
