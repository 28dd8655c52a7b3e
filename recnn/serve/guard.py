"""What stands before the endpoints: limits on hosts and bodies, and the security headers of every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1 << 17
"""Bytes of a request; a sentence has far fewer."""
_READ = 1 << 25  # bytes of a larger body that are read before the answer, as few clients look for one while they send
_SECONDS = 10.0  # for a body to arrive
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Middleware that refuses requests for other hosts and with large or slow bodies, and adds security headers.

    Args:
        app: what is guarded.
        hosts: names under which the page may be asked for; any if empty. With the names of this machine, pages of other
            sites cannot read from it by giving their own name its address (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = ()) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or answer it with an error."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        headers = Headers(scope=scope)
        host = _without_port(headers.get("host", ""))
        if self.hosts and host not in self.hosts:
            error, status = f"no page for the host {host[:60]!r}: use one of {', '.join(self.hosts)}", 400
        else:
            try:
                body = await asyncio.wait_for(_body(receive), _SECONDS)
            except TimeoutError:
                body, error, status = None, "the body of the request has not arrived in time", 408
            else:
                error, status = f"the request has more than {LARGEST_BODY:,} bytes", 413
            if body is not None:
                await self.app(scope, _once(body, receive), with_headers)
                return
        await JSONResponse({"error": error}, status, {"connection": "close"})(scope, receive, with_headers)


def _without_port(host: str) -> str:
    """Host of a "Host" header: ``[::1]:8000`` is ``[::1]``."""
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


async def _body(receive: Receive) -> bytes | None:
    """Read the body of a request, None if it is too large; bodies that are far too large are not read to their end."""
    parts, size, more = [], 0, True
    while more and size <= _READ:
        message = await receive()
        part = message.get("body", b"")
        more, size = message.get("more_body", False), size + len(part)
        if size <= LARGEST_BODY:
            parts.append(part)
    return b"".join(parts) if size <= LARGEST_BODY else None


def _once(body: bytes, receive: Receive) -> Receive:
    """Return a function that gives the whole body, and then what else comes, such as the end of the connection."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return rest.pop() if rest else await receive()

    return again
