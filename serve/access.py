"""Who and what a request needs before it is answered: a key, a model that is ready."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Request

from serve.refusals import Refused
from serve.turns import Game


def ready(request: Request) -> Game:
    """The game; a dependency of whatever needs the model."""
    game: Game | None = request.app.state.game
    if game is None:
        raise Refused(503, "The model is not ready; try again in a moment.", code="not_ready", retry=2)
    return game


def authorised(request: Request) -> None:
    """Lets in who brings the key, where there is one: ``Authorization: Bearer KEY``."""
    key: str | None = request.app.state.settings.api_key
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if key is None:
        return
    if scheme.lower() != "bearer" or not secrets.compare_digest(given.encode(), key.encode()):
        raise Refused(401, "This server asks for its API key, as a bearer token.", code="invalid_api_key")


Ready = Annotated[Game, Depends(ready)]
