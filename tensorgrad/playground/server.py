"""The web page: one address, whose query is the question; what it shows is escaped, and loads nothing from elsewhere."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tensorgrad import __version__
from tensorgrad.playground.answer import Answer
from tensorgrad.playground.question import EXAMPLES, LONGEST, Question
from tensorgrad.playground.workers import BusyError, EndedError, LateError, Limits, Workers

LOOPBACK = ("127.0.0.1", "localhost")
"""Addresses of this machine alone, and the names that a page on them may be asked for by."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Sent with every response: the page runs no script and loads no style but its own files."""

FOLDER = Path(__file__).parent / "page"
FILES = {"style.css": "text/css", "script.js": "text/javascript", "icon.svg": "image/svg+xml"}

log = logging.getLogger("tensorgrad.playground")


class SafeHeaders:
    """ASGI middleware: `HEADERS` on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(k.encode(), v.encode()) for k, v in HEADERS.items()]
            await send(message)

        await self.app(scope, receive, sending)


class Page:
    """The page's handler and its template."""

    def __init__(self, limits: Limits) -> None:
        self.workers = Workers(limits)
        environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
        environment.trim_blocks = environment.lstrip_blocks = True
        environment.filters["drawn"] = Markup  # the library's SVG, which escapes what it writes
        self.template = environment.get_template("page.html")

    async def show(self, request: Request) -> Response:
        """The page for the question that the address asks, or without one the empty form."""
        if request.headers.get("sec-fetch-dest", "document") != "document":
            return PlainTextResponse("this address is a page to be looked at, not a part of another one\n", 403)
        question = Question.of(request.query_params)
        if not any(question.fields.values()):
            return self._page(200, question, None)
        status, found = await self._answer(question)
        return self._page(status, question, found)

    async def _answer(self, question: Question) -> tuple[int, Answer]:
        limits = self.workers.limits
        try:
            found = await self.workers.ask(question)
        except BusyError:
            return 503, Answer("error", "too many questions at once: try again in some seconds")
        except LateError:
            late = f"no answer after {limits.seconds:g} seconds, which is what this page gives a question"
            return 504, Answer(
                "error", f"{late}; the command line has no such limit: tensorgrad simplify --time 60 ..."
            )
        except EndedError as ended:
            log.error("%s", ended)
            return 500, Answer("error", "internal error: this is a bug of tensorgrad, not of your input")
        return (422 if found.status == "error" else 200), found

    def _page(self, status: int, question: Question, found: Answer | None) -> Response:
        text = self.template.render(
            question=question, answer=found, examples=EXAMPLES, longest=LONGEST, version=__version__
        )
        return HTMLResponse(text, status, {"cache-control": "no-store"})


def _file(name: str, kind: str) -> Route:
    async def send(_: Request) -> Response:
        return FileResponse(FOLDER / name, media_type=kind)

    return Route(f"/{name}", send)


def application(limits: Limits, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The ASGI application; it answers only requests that name one of the `hosts`, so no foreign name leads here."""
    routes = [Route("/", Page(limits).show, methods=["GET"]), *(_file(name, kind) for name, kind in FILES.items())]
    middleware = [Middleware(SafeHeaders), Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))]
    return Starlette(routes=routes, middleware=middleware)


def server(host: str, port: int, limits: Limits) -> tuple[uvicorn.Server, socket.socket]:
    """A server and the socket that it is to run on (port 0 takes a free one): `server.run(sockets=[socket])`."""
    opened = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    app: Any = application(limits, LOOPBACK if host in LOOPBACK else ("*",))
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none", lifespan="off")
    return uvicorn.Server(config), opened
