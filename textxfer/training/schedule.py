"""Learning rates as pure functions of the step, so that a resume cannot change them."""

from __future__ import annotations

import math
from collections.abc import Callable

from textxfer.errors import ConfigError, unknown

#: name → share of the way down, given the share of the way through (both 0 to 1)
DECAYS: dict[str, Callable[[float], float]] = {
    "constant": lambda x: 0.0,
    "linear": lambda x: x,
    "cosine": lambda x: 0.5 * (1 - math.cos(math.pi * x)),
    # warm-up, stable, decay (Hu et al., arXiv 2404.06395): the last fifth goes down
    "wsd": lambda x: max(0.0, (x - 0.8) / 0.2),
}


def rate(name: str, step: int, *, steps: int, warmup: float, final: float) -> float:
    """The factor on the peak learning rate at ``step`` (from 0) of ``steps``.

    It climbs linearly over the first ``warmup`` share of the steps, then falls
    from 1 to ``final`` as the named decay says. Raises ConfigError for a name
    that is not known.
    """
    if name not in DECAYS:
        raise ConfigError(unknown("schedule", name, DECAYS))
    climb = max(int(warmup * steps), 1) if warmup > 0 else 0
    if step < climb:
        return (step + 1) / climb
    through = (step - climb) / max(steps - climb - 1, 1)
    return 1 - (1 - final) * DECAYS[name](min(through, 1.0))
