"""A real browser on the real pages: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


# Not for the session: while Playwright runs, no other test of this process could `asyncio.run`.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("The browser tests need Chromium: apt-get install chromium.")
        pytest.skip("There is no Chromium here: apt-get install chromium.")
    # Playwright runs an event loop in this thread; Django's guard against it is not meant for us.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


Opener = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, live_server: LiveServer) -> Iterator[Opener]:
    """Opens a page of ours in a fresh profile, in which whoever is signed in with `client` is
    signed in too; what the browser complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_(
        path: str, *, width: int = 1280, scheme: str = "light", client: Client | None = None
    ) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 844},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" else None,
        )
        if client is not None:
            name = settings.SESSION_COOKIE_NAME
            session = client.cookies[name].value
            context.add_cookies([{"name": name, "value": session, "url": live_server.url}])
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
