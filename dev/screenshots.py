"""The pictures in docs/screenshots, taken of a demo that runs: `make demo` in one terminal, `make
screenshots` in another.

WebP, packed by the browser itself: a fifth of what PNG takes.
"""

import base64
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from config.settings.paths import BASE_DIR, LOCAL_DIR
from dev.demo.personas import FINANCE_EMAIL

_TARGET = BASE_DIR / "docs" / "screenshots"
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_OWNER = "owner@bluebird.example"
_PACK = """
async (png) => {
  const bytes = Uint8Array.from(atob(png), (each) => each.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = Object.assign(document.createElement("canvas"), image);
  canvas.width = image.width; canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", 0.8).split(",")[1];
}
"""


class Picture(NamedTuple):
    """`find` goes to the page, from where a person lands after signing in."""

    name: str
    who: str
    find: Callable[[Page], object]
    width: int = 1280
    height: int = 900
    scheme: str = "light"


def _dearest_call(page: Page) -> None:
    page.locator("section[aria-labelledby=dearest] tbody a").first.click()


def _why(page: Page) -> None:
    page.locator("a[href*='compare']").first.click()


def _customer(page: Page) -> None:
    page.goto("/admin/billing/workspace/?q=Bluebird")
    page.get_by_role("link", name="Bluebird Dental").first.click()


_PICTURES = (
    Picture("overview", _OWNER, lambda page: None),
    Picture("overview-phone", _OWNER, lambda page: None, 390, 844, "dark"),
    Picture("why", _OWNER, _why),
    Picture("receipt", _OWNER, _dearest_call),
    Picture("finance", FINANCE_EMAIL, lambda page: page.goto("/admin/")),
    Picture("customer", FINANCE_EMAIL, _customer),
    Picture("month-end", FINANCE_EMAIL, lambda page: page.goto("/admin/month-end/")),
)


def main() -> int:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    logins = LOCAL_DIR / "demo.json"
    if chromium is None or not logins.exists():
        print("Needed: Chromium, and a demo that runs (`make demo`).", file=sys.stderr)
        return 1
    password = json.loads(logins.read_text(encoding="utf-8"))["password"]
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
    _TARGET.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        for picture in _PICTURES:
            path = _TARGET / f"{picture.name}.webp"
            _take(browser, url, password, picture, path)
            print(f"{path.relative_to(BASE_DIR)}  {path.stat().st_size // 1024} KiB")
        browser.close()
    return 0


def _take(browser: Browser, url: str, password: str, picture: Picture, path: Path) -> None:
    context = browser.new_context(
        base_url=url,
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto("/login/")
    page.get_by_label("E-mail address").fill(picture.who)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda here: "/login/" not in here)
    picture.find(page)
    page.wait_for_load_state("networkidle")
    png = base64.b64encode(page.screenshot()).decode()
    empty = context.new_page()
    path.write_bytes(base64.b64decode(empty.evaluate(_PACK, png)))
    context.close()


if __name__ == "__main__":
    sys.exit(main())
