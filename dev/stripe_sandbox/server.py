"""The HTTP server: loopback only, one thread a connection, keep-alive."""

import logging
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import msgspec

from dev.stripe_sandbox import control, pages
from dev.stripe_sandbox.accounts import Accounts
from dev.stripe_sandbox.api import Request, Response
from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.forms import parse_multipart
from dev.stripe_sandbox.render import PAGES_PREFIX

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_BODY_BYTES = 8 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "stripe-sandbox"
    wbufsize = -1  # one write for headers and body, sent by flush()
    disable_nagle_algorithm = True
    server: "SandboxServer"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names of the base class

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(Response(status=413))
            return
        parts = urlsplit(self.path)
        body = self.rfile.read(length)
        content_type = self.headers.get("Content-Type") or ""
        if content_type.startswith("multipart/form-data"):
            form, files = parse_multipart(content_type, body)
        else:
            form, files = body.decode("utf-8", "replace"), {}
        request = Request(
            method="GET" if self.command == "HEAD" else self.command,
            path=parts.path,
            query=parts.query,
            body=form,
            headers={name.lower(): value for name, value in self.headers.items()},
            files=files,
        )
        response = self._response(request)
        if response.dropped:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(response)

    def _response(self, request: Request) -> Response:
        accounts = self.server.accounts
        try:
            if request.path.startswith(control.PREFIX):
                return control.handle(accounts, request)
            if request.path.startswith(PAGES_PREFIX):
                return pages.handle(accounts, request)
            return accounts.of(request.headers.get("authorization", "")).handle(request)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            error = ApiError(500, "The sandbox itself failed; see its log.", type="api_error")
            return Response(status=500, body=_encoded(error))

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


class SandboxServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """``port`` 0 takes a free one; see ``server_address``."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, accounts: Accounts, port: int) -> None:
        super().__init__((LOOPBACK, port), Handler)
        self.accounts = accounts

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def stop(self) -> None:
        """End `serve_forever` from a signal handler, which runs in its own thread."""
        threading.Thread(target=self.shutdown, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("A connection from %s broke off", client_address, exc_info=True)


def _encoded(error: ApiError) -> bytes:
    return msgspec.json.encode(error.body())
