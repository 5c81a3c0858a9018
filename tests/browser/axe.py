"""axe-core on a page that is open: what it finds wrong, a line each."""

from pathlib import Path

from playwright.sync_api import Page

_AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
_RUN = """
async (within) => (await axe.run(within, { resultTypes: ["violations"] })).violations.flatMap(
  ({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
    `${id}: ${target.join(" ")}: ${failureSummary.split("\\n").slice(1).join(" ").trim()}`))
"""


def violations(page: Page, within: str = "html") -> list[str]:
    # Not as a script of the page, whose policy would refuse it.
    page.evaluate(_AXE)
    found: list[str] = page.evaluate(_RUN, within)
    return found
