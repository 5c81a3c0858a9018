from django.http import HttpRequest
from django.middleware.common import CommonMiddleware


class SlashForReadersMiddleware(CommonMiddleware):
    """Adds a missing slash by a redirect only where following it is safe.

    Most clients follow a redirected POST with a GET: usage sent to `/api/v1/usage` would be
    answered 200, with a list, and be lost.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in ("GET", "HEAD") and super().should_redirect_with_slash(request)
