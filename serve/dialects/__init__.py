"""Wire formats. A dialect is a router over ``serve.turns`` and the engine, one file each.

    dialects.register("openai")(Dialect(router, streams={...}))

FastAPI streams by route: a path that answers as JSON or as events, as the
``stream`` of its body says, has two routes, ``path`` and ``path/events``.
``streams`` holds a pattern of such paths and what they do when ``stream`` is
not given; ``serve.app`` sends a request to the route it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter

from textxfer.registry import Registry


@dataclass(frozen=True)
class Dialect:
    """router: its paths. streams: regular expression of a whole path -> stream by default."""

    router: APIRouter
    streams: Mapping[str, bool] = field(default_factory=dict)


dialects: Registry[Dialect] = Registry("dialect", package="serve.dialects", group="textxfer.dialects")
