"""Every refusal on the wire: ``{"error": {message, type, param, code}}``, as OpenAI's clients read it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serve.store import NotFound
from serve.turns import CannotPlay, ModelFailed
from textxfer.errors import PromptTooLong, QueueFull, TextxferError

logger = logging.getLogger(__name__)
TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}


class Refused(Exception):
    """A request that is answered with ``status`` and an error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry = retry  # seconds

    @property
    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        headers = {"Retry-After": str(self.retry)} if self.retry is not None else {}
        return JSONResponse(self.body, self.status, headers)


def refusal(error: TextxferError, busy: int = 503) -> Refused:
    """What an error of the kit means to a client; ``busy`` is the status of a full queue."""
    message = str(error)
    if isinstance(error, QueueFull):
        return Refused(busy, message, code="queue_full", retry=2)
    if isinstance(error, PromptTooLong):
        return Refused(400, message, param="prompt", code="context_length_exceeded")
    if isinstance(error, NotFound):
        return Refused(404, message, code="not_found")
    if isinstance(error, CannotPlay):
        return Refused(409, message, code="cannot_play")
    return Refused(500 if isinstance(error, ModelFailed) else 400, message)


def from_validation(errors: Sequence[Any]) -> Refused:
    """The first thing that is wrong with a body."""
    first = errors[0]
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if first["type"] == "json_invalid":
        return Refused(400, f"The body is not JSON: {first['ctx']['error']}.")
    name = where[0] if where else None
    return Refused(400, f"{'.'.join(where) or 'The body'}: {first['msg']}.", param=name)


def install(app: FastAPI) -> None:
    """Gives ``app`` the one error shape."""

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        return error.response()

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, TextxferError)
        return refusal(error, busy=429 if request.url.path.startswith("/v1/") else 503).response()

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return from_validation(error.errors()).response()

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return Refused(error.status_code, f"{error.detail}: {request.method} {request.url.path}").response()

    async def failed(request: Request, error: Exception) -> JSONResponse:
        logger.error("a request failed", exc_info=error)
        return Refused(500, "The server failed to answer; its log says why.").response()

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(TextxferError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, failed)
