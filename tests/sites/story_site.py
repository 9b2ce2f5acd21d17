"""A small story site on loopback, with the habits of real ones."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

PAGES = Path(__file__).parent / "pages"
TYPES = {"html": "text/html", "xhtml": "application/xhtml+xml", "txt": "text/plain"}


class StorySite:
    """Pages of ``tests/sites/pages``; ``asked`` counts the requests by path."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.times: list[tuple[float, str]] = []
        self.agents: set[str] = set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked[self.path] += 1
                site.times.append((monotonic(), self.path))
                site.agents.add(self.headers["User-Agent"])
                site.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        headers = {}
        status, body = 200, b""
        if to.path == "/robots.txt":
            body = b"User-agent: *\nDisallow: /private/\n"
        elif to.path == "/moved.html":
            status, headers = 302, {"Location": "/harbour.html"}
        elif to.path == "/busy.txt" and self.asked["/busy.txt"] == 1:
            status, headers = 429, {"Retry-After": "1"}
        elif to.path == "/closed.txt":
            status, headers = 503, {"Retry-After": "86400"}
        elif to.path == "/flaky.txt" and self.asked["/flaky.txt"] == 1:
            status = 404
        else:
            name = {"/busy.txt": "island.txt", "/flaky.txt": "island.txt"}.get(to.path, to.path.lstrip("/"))
            file = PAGES / name.replace("/", "_")
            status, body = (200, file.read_bytes()) if file.is_file() else (404, b"")
        to.send_response(status)
        to.send_header("Content-Type", TYPES.get(to.path.rpartition(".")[2], "text/html") + "; charset=utf-8")
        to.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            to.send_header(name, value)
        to.end_headers()
        to.wfile.write(body)


@contextmanager
def running() -> Iterator[StorySite]:
    site = StorySite()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.server.shutdown()
        site.server.server_close()
