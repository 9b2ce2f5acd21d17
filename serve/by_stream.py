"""One path, two answers: JSON, or a stream of events where the body asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.refusals import Refused

LARGEST_BODY = 4 * 2**20  # bytes


class ByStream:
    """Sends a POST to ``path`` or to ``path/events``, as the ``stream`` of its body says."""

    def __init__(self, app: ASGIApp, streams: Mapping[str, bool]) -> None:
        self.app = app
        self._streams = [(re.compile(pattern), default) for pattern, default in streams.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        default = self._default(scope)
        if default is None:
            await self.app(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > LARGEST_BODY:
                await Refused(413, f"The body is larger than {LARGEST_BODY} bytes.").response()(scope, receive, send)
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        if _stream(body, default):
            scope = {**scope, "path": scope["path"] + "/events"}
        await self.app(scope, again, send)

    def _default(self, scope: Scope) -> bool | None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        return next((default for pattern, default in self._streams if pattern.fullmatch(scope["path"])), None)


def _stream(body: bytes, default: bool) -> bool:
    """What is no JSON object is for the plain route to refuse."""
    try:
        fields: Any = json.loads(body or b"{}")
    except ValueError:
        return False
    if not isinstance(fields, dict):
        return False
    wanted = fields.get("stream")
    return default if wanted is None else wanted is True
