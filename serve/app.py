"""The server: what every dialect shares, from the first byte to the drain.

app = create_app(Settings(model="runs/demo"))
uvicorn.run(app)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles

from serve import refusals
from serve.access import authorised, ready
from serve.by_stream import ByStream
from serve.dialects import dialects
from serve.settings import Settings
from serve.store import Store
from serve.turns import Game
from serve.worlds import World
from textxfer.errors import TextxferError

WEB = Path(__file__).parent / "web"


Loaded = Callable[[TextxferError | None], None]


def create_app(settings: Settings, on_loaded: Loaded | None = None) -> FastAPI:
    """The model is loaded behind the open door: /readyz says when it is there.

    on_loaded: called once, with None when the server is ready, with the error
    when it will never be.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(app, settings, on_loaded))
        yield
        loading.cancel()
        await asyncio.wait([loading])
        game: Game | None = app.state.game
        app.state.game = None
        if game is not None:
            await game.drain()
            await asyncio.to_thread(game.world.engine.close)
            await game.store.close()

    app = FastAPI(title="textxfer", lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.state.settings = settings
    app.state.game = None
    refusals.install(app)
    streams: dict[str, bool] = {}
    for _, dialect in dialects.items():
        app.include_router(dialect.router, dependencies=[Depends(authorised)])
        streams.update(dialect.streams)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz(game: Annotated[Game, Depends(ready)]) -> dict[str, str]:
        return {"status": "ready", "model": game.world.name}

    app.mount("/", StaticFiles(directory=WEB, html=True), name="web")
    app.add_middleware(ByStream, streams=streams)
    if settings.cors:
        app.add_middleware(CORSMiddleware, allow_origins=list(settings.cors), allow_methods=["*"], allow_headers=["*"])
    return app


async def _load(app: FastAPI, settings: Settings, on_loaded: Loaded | None) -> None:
    failed: TextxferError | None = None
    try:
        store = await Store.open(settings.database)
        try:
            world = await asyncio.to_thread(World.load, settings.model)
        except BaseException:
            await store.close()
            raise
        app.state.game = Game(world, store)
    except TextxferError as error:
        failed = error
    if on_loaded is not None:
        on_loaded(failed)
