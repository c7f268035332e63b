"""Takes the pictures of docs/live.md: ``python docs/examples/live/screenshots.py``; it needs ``.[live,browser]``."""

from __future__ import annotations

import asyncio
import re

from app import Sources
from driven import HERE, Background, browser_here
from playwright.sync_api import Browser, expect, sync_playwright

PICTURES = HERE.parent.parent / "pictures"


class Halting(Sources):
    """Answers at the pace of a model, up to a token."""

    last = 0

    def begin(self, wait: asyncio.Future[None], seconds: float, given: int) -> None:
        if given < self.last:
            super().begin(wait, seconds, given)


def picture(browser: Browser, live: Background, name: str, width: int, height: int, last: int) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if name.endswith("dark") else "light",
        reduced_motion="reduce",
    )
    assert isinstance(live.sources, Halting)
    live.sources.last = last
    page.goto(live.url)
    tokens = page.locator("#streamed .tokens dd")
    for _ in range(2):  # the first run warms up
        page.get_by_role("button", name="Start").click()
        expect(tokens).to_have_text(re.compile(r"\d"))
    expect(tokens).to_have_text(str(last), timeout=60_000)
    expect(page.locator("#open")).to_have_text("2")
    page.screenshot(path=PICTURES / f"{name}.png")
    page.close()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with Background(Halting()) as live, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_here(), args=["--hide-scrollbars"])
        picture(browser, live, "live-light", 840, 760, 144)
        picture(browser, live, "live-dark", 840, 760, 144)
        picture(browser, live, "live-narrow", 360, 720, 64)
        browser.close()


if __name__ == "__main__":
    main()
