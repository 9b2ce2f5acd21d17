from __future__ import annotations

import pytest

from textxfer.errors import ConfigError
from textxfer.training.schedule import rate


def curve(name: str, steps: int = 10, warmup: float = 0.0, final: float = 0.1) -> list[float]:
    return [round(rate(name, s, steps=steps, warmup=warmup, final=final), 4) for s in range(steps)]


def test_constant():
    assert curve("constant") == [1.0] * 10


def test_linear_ends_at_the_final_share():
    assert curve("linear", final=0.1) == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]


def test_cosine_is_half_way_down_half_way_through():
    assert rate("cosine", 5, steps=11, warmup=0, final=0) == pytest.approx(0.5)
    assert curve("cosine")[0] == 1.0 and curve("cosine")[-1] == 0.1


def test_warm_up_climbs_and_never_starts_at_nothing():
    assert curve("constant", warmup=0.4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_wsd_is_flat_until_the_last_fifth():
    assert curve("wsd", steps=11, final=0.0) == [1.0] * 9 + [0.5, 0.0]


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ConfigError, match=r"'cosin'\. Did you mean 'cosine'"):
        rate("cosin", 0, steps=1, warmup=0, final=1)
