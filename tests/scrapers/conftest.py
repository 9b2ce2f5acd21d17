from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("scrapy")


def _story_site() -> ModuleType:
    path = Path(__file__).parent.parent / "sites" / "story_site.py"
    spec = importlib.util.spec_from_file_location("story_site", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules["story_site"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site() -> Iterator[object]:
    """A site on loopback; ``site.url``, and ``site.asked``: requests by path."""
    with _story_site().running() as running:
        yield running
