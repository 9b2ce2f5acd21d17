"""The process: a port, uvicorn on it, and an orderly end."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable

import uvicorn

from serve.app import create_app
from serve.settings import Settings
from textxfer.errors import ServeError, TextxferError

PATIENCE = 5  # seconds that answers in the making get when the server stops; then they end and are saved


def run_server(settings: Settings, ready: Callable[[str], object] | None = None) -> None:
    """Serves until Ctrl-C or SIGTERM. ``ready`` is called with the URL once the model answers.

    Raises ServeError when the port cannot be had (before the model is loaded),
    and what loading raises: ModelError, ServeError.
    """
    listening = listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    failures: list[TextxferError] = []

    def loaded(error: TextxferError | None) -> None:
        if error is None:
            print(f"{app.state.game.world.name} is served at {url} (Ctrl-C stops)", flush=True)
            if ready is not None:
                ready(url)
        else:
            failures.append(error)
            server.should_exit = True

    app = create_app(settings, loaded)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=PATIENCE)
    server = uvicorn.Server(config)
    print(f"Loading {settings.model} …", flush=True)
    with listening, contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    if failures:
        raise failures[0]


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises ServeError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(f"Port {port} of {host} is in use; choose another with --port.") from None
        if error.errno == errno.EACCES:
            raise ServeError(f"Port {port} is not open to you; choose one above 1023 with --port.") from None
        raise ServeError(f"{host} is no address of this machine; use --host 127.0.0.1 or 0.0.0.0.") from None
    return made
