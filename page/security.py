"""Who may ask the page, and what a browser may do with its answers.

A page on this machine can be asked by every other page that a browser shows. What another site's script asks is refused
by its Origin; what it asks by a name of its own that leads to this machine (DNS rebinding), by the Host.
"""

from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from page.problems import ProblemError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Refuses whom the page is not for, and adds the headers that bind a browser.

    Args:
        app: What is guarded.
        hosts: Names by which the page may be asked for; `localhost` and every IP address are anyway, which no name of
            a stranger's can be made to lead to.
        origins: Other sites whose scripts may ask, such as `https://example.org`.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], origins: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._origins = set(origins)
        # Who lets other sites ask lets them show the pictures as well.
        self._headers = HEADERS | ({"cross-origin-resource-policy": "cross-origin"} if origins else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_bound(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if (problem := self._refusal(scope["method"], Headers(scope=scope))) is not None:
            await problem.response()(scope, receive, send_bound)
            return
        if scope["method"] == "HEAD":  # is answered as GET; the server leaves the body out
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send_bound)

    def _refusal(self, method: str, headers: Headers) -> ProblemError | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return ProblemError(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"the page is not known as {host[:100]!r}; start it with --allowed-host to let it be",
                field="Host",
                value=host,
            )
        origin = headers.get("origin")
        if method in SAFE_METHODS or origin is None or origin in self._origins:
            return None
        if urlsplit(origin).netloc.lower() == host.lower():
            return None
        return ProblemError(
            HTTPStatus.FORBIDDEN,
            f"scripts of {origin[:100]!r} may not ask this page; start it with --allowed-origin to let them",
            field="Origin",
            value=origin,
        )

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True
