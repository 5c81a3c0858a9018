"""The least a server must do to pass for Stripe: the sync's few endpoints, the barest objects.

No account, search, events or clocks; no idempotency keys either.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class BareStripe:
    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.unknown: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str, params: dict[str, Any]) -> tuple[int, Any]:
        if found := re.fullmatch(r"/v1/(customers|invoices|invoiceitems)", path):
            kind = found.group(1)
            return 200, self._create(kind, params) if method == "POST" else self._list(kind, params)
        if found := re.fullmatch(r"/v1/(?:customers|invoices)/(\w+)(/finalize|/pay|/send)?", path):
            return 200, self._change(found.group(1), found.group(2))
        self.unknown.append(f"{method} {path}")
        return 404, {"error": {"type": "invalid_request_error", "message": "Unrecognized URL."}}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects.values() if each["object"] == kind.rstrip("s")]

    def _create(self, kind: str, params: dict[str, Any]) -> dict[str, Any]:
        made = {"id": f"{kind}_{len(self.objects)}", "object": kind.rstrip("s"), **params}
        if kind == "invoices":
            made |= {"status": "draft", "total": 0}
        if kind == "invoiceitems":
            made["amount"] = int(params["amount"])
            self.objects[params["invoice"]]["total"] += made["amount"]
        self.objects[made["id"]] = made
        return made

    def _list(self, kind: str, params: dict[str, Any]) -> dict[str, Any]:
        wanted = {name: params[name] for name in ("customer", "email", "invoice") if name in params}
        data = [each for each in self.of(kind) if wanted.items() <= each.items()]
        return {"object": "list", "data": data, "has_more": False}

    def _change(self, identifier: str, verb: str | None) -> dict[str, Any]:
        found = self.objects[identifier]
        if verb == "/finalize":
            found |= {"status": "open", "hosted_invoice_url": f"{self.url}/pay/{identifier}"}
        elif verb == "/pay":
            found["status"] = "paid"
        return found


def nested(body: str) -> dict[str, Any]:
    """`a=1&b[c]=2` as `{"a": "1", "b": {"c": "2"}}`."""
    params: dict[str, Any] = {}
    for name, value in parse_qsl(body):
        outer, _, inner = name.partition("[")
        if inner:
            params.setdefault(outer, {})[inner.rstrip("]")] = value
        else:
            params[name] = value
    return params


@contextmanager
def bare_stripe() -> Iterator[BareStripe]:
    stripe = BareStripe()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("GET", urlsplit(self.path).query)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._answer("POST", self.rfile.read(length).decode())

        def _answer(self, method: str, params: str) -> None:
            status, answer = stripe.answer(method, urlsplit(self.path).path, nested(params))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nothing: the tests ask the objects."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stripe.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stripe
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
