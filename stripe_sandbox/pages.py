"""The pages a payer sees, in simple versions."""

from stripe_sandbox.api import Api, Request, Response

PREFIX = "/pages/"


def handle(api: Api, request: Request) -> Response:
    return Response(status=404, body=b"Not found", content_type="text/plain; charset=utf-8")
