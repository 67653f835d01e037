"""Django behind ASGI, each request in one thread from its first middleware to its last.

Django's own ASGI handler awaits every synchronous middleware in a thread of its own, some twenty
hops a request. All our middleware and views are synchronous, so the whole chain runs in one hop, in
one of a fixed number of threads; each of them gives its database connection back afterwards.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from accounts.api.problems import problem_response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class ThreadedHandler(ASGIHandler):
    """Serve HTTP scopes with synchronous Django in `threads` threads."""

    def __init__(self, *, threads: int) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain for synchronous calls, whatever the caller asks for."""
        super().load_middleware(is_async=False)

    async def respond(self, scope: Scope, receive: Receive) -> HttpResponseBase | None:
        """Return the answer to one request, unsent; None if the client is gone."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return None
        try:
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            if request is not None:
                answer: HttpResponseBase = await self._in_thread(self._respond, scope, request)
                return answer
            assert refusal is not None
            if scope["path"].startswith("/api/"):
                return problem_response(refusal.status_code, "The request is not UTF-8.")
            return refusal
        finally:
            body.close()

    async def send_answer(self, response: HttpResponseBase, send: Send) -> None:
        """Send an answer of `respond`."""
        if isinstance(response, StreamingHttpResponse) and not response.is_async:
            await self._stream(response, send)
        else:
            await self.send_response(response, send)

    def _respond(self, scope: Scope, request: ASGIRequest) -> HttpResponseBase:
        signals.request_started.send(sender=self.__class__, scope=scope)
        response = self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            response.close()  # ends the request's use of its connection, in the thread that has it
        return response

    async def _stream(self, response: StreamingHttpResponse, send: Send) -> None:
        """Send a synchronous stream (a static file) piece by piece, read in a thread."""
        headers = [
            (name.encode("latin1"), value.encode("latin1")) for name, value in response.items()
        ]
        headers += [
            (b"set-cookie", cookie.OutputString().encode("latin1"))
            for cookie in response.cookies.values()
        ]
        status = response.status_code
        await send({"type": "http.response.start", "status": status, "headers": headers})
        parts = iter(response)
        try:
            while (part := await self._in_thread(next, parts, None)) is not None:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._in_thread(response.close)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, context.run, function, *arguments)
