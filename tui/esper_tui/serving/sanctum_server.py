"""The web server: the protocol of textual-serve, with admission and a limited number of visitors."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import ClientConnectionError, WSMsgType, web
from textual_serve.server import Server

from esper_tui.serving.admission import AccessPolicy, AccessRequest
from esper_tui.serving.visitor_session import TERMINATION_TIMEOUT_S, VisitorSession

MOST_VISITORS = 8
"""Each visitor has a process of about 50 MB."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FULL = f"The limit of {MOST_VISITORS} visitors is reached; try again later."
_HEARTBEAT_S = 15.0
_YEAR_S = 365 * 24 * 3600

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SanctumServer(Server):
    """Serves the screen of a command to every visitor that the access policy admits."""

    def __init__(self, command: str, policy: AccessPolicy, port: int) -> None:
        super().__init__(command, port=port, title="Sanctum")
        self._policy = policy
        self._cookie_name = f"sanctum-{port}"  # cookies are shared by all ports of a host
        self._open: set[web.WebSocketResponse] = set()
        self._page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")

    async def application(self) -> web.Application:
        """The application, with admission before everything else."""
        app = await self._make_app()
        app.middlewares.append(self._guard)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing; the command line has printed the address."""

    async def on_shutdown(self, app: web.Application) -> None:
        """Close all connections, so that every visitor's process ends."""
        await asyncio.gather(*(websocket.close() for websocket in self._open))

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page, without the token in its address."""
        if "token" in request.query:
            return self._with_cookie(request)
        if len(self._open) >= MOST_VISITORS:
            raise web.HTTPServiceUnavailable(text=_FULL)
        return web.Response(text=self._page, content_type="text/html")

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A session, from the first frame to the last."""
        if len(self._open) >= MOST_VISITORS:
            raise web.HTTPServiceUnavailable(text=_FULL)
        websocket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S)
        self._open.add(websocket)
        try:
            await websocket.prepare(request)
            await self._run_session(request, websocket)
        finally:
            self._open.discard(websocket)
        return websocket

    async def _run_session(self, request: web.Request, websocket: web.WebSocketResponse) -> None:
        session = VisitorSession(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=_closing(websocket),
            download_manager=self.download_manager,
        )
        try:
            await session.start(_cells(request, "width", 80), _cells(request, "height", 24))
            await _listen(websocket, session)
        except ClientConnectionError:
            pass  # The visitor has left while something was sent.
        finally:
            await session.stop()
            await websocket.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self._policy.refusal(_access_request(request, self._cookie_name))
        if refusal is not None:
            headers = _HEADERS | ({"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {})
            return web.Response(status=refusal.status, text=refusal.sentence, headers=headers)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _with_cookie(self, request: web.Request) -> web.Response:
        clean = str(request.rel_url.without_query_params("token"))
        response = web.Response(status=303, headers={"Location": clean})
        if self._policy.token is not None:
            response.set_cookie(
                self._cookie_name,
                self._policy.cookie,
                httponly=True,
                samesite="Lax",  # "Strict" would not survive the redirect of a link in a mail
                secure=request.headers.get("X-Forwarded-Proto", request.scheme) == "https",
                max_age=_YEAR_S,
            )
        return response


def _access_request(request: web.Request, cookie_name: str) -> AccessRequest:
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return AccessRequest(
        host=request.headers.get("Host", ""),
        origin=request.headers.get("Origin"),
        token=request.query.get("token", bearer),
        cookie=request.cookies.get(cookie_name),
        websocket=request.path == "/ws" or "Upgrade" in request.headers,
    )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError` if the address cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def serve(listening: socket.socket, command: str, token: str | None) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    server = SanctumServer(command, AccessPolicy(token), listening.getsockname()[1])
    web.run_app(
        server.application(),
        sock=listening,
        print=None,
        access_log=None,
        shutdown_timeout=3 * TERMINATION_TIMEOUT_S,
    )


async def _listen(websocket: web.WebSocketResponse, session: VisitorSession) -> None:
    """Execute the messages of the page until it closes, or until a message is invalid."""
    async for message in websocket:
        if message.type is not WSMsgType.TEXT:
            return
        try:
            answer = await session.execute(json.loads(message.data))
        except (ValueError, RecursionError):
            return
        if answer is not None:
            await websocket.send_json(answer)


def _closing(websocket: web.WebSocketResponse) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await websocket.close()

    return close


def _cells(request: web.Request, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError:
        return default
