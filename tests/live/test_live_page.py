"""The live page in a Chromium without a window, used as a person would: by clicks, by keys, at any width."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys

import pytest

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install '.[live,browser]'"
)
expect = sync_api.expect
expect.set_options(timeout=30_000)
NOTHING = "\N{EN DASH}"

CONTRAST = """selector => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = numbers(colour).slice(0, 3).map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const element = document.querySelector(selector);
    let behind = element;
    const empty = (colour) => numbers(colour)[3] === 0;
    while (behind.parentElement && empty(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const both = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light).sort();
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}"""


@pytest.fixture(scope="module")
def browser(driven):
    """Ended with the module: its loop would stand in the way of every ``asyncio.run`` after it."""
    with sync_api.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=driven.browser_here())
        except sync_api.Error as error:
            pytest.skip(
                f"no Chromium is here, on PATH or as STREAMCORE_BROWSER: {error.message.splitlines()[0]}"
            )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a tab with a storage and connections of its own; what goes wrong in one fails the test."""
    contexts, faults = [], []

    def open_page(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda request: re.match("http://127.0.0.1:|data:", request.url) or faults.append(request.url),
        )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(live, open_page):
    return open_page(live.url)


def start(page):
    page.get_by_role("button", name="Start").click()


def figure(page, side, name):
    return page.locator(f"#{side} .{name} dd")


def test_tokens_are_shown_before_the_answer_is_complete(live, page):
    live.allow(6)
    start(page)
    expect(page.locator("#streamed .thinking")).to_have_text("The network cuts")
    expect(page.locator("#open")).to_have_text("2")
    expect(figure(page, "streamed", "tokens")).to_have_text("6")
    expect(figure(page, "streamed", "first")).to_have_text(re.compile(r"^\d+\.\d\d s$"))
    expect(figure(page, "whole", "tokens")).to_have_text(NOTHING)
    expect(page.locator("#whole .answer")).to_be_empty()
    expect(page.locator("#state")).to_have_text("Thinking …")
    live.allow(120)
    expect(page.locator("#streamed .answer")).to_contain_text("A stream comes in pieces")
    expect(page.locator("#state")).to_have_text("Answering …")
    expect(page.locator("#whole .answer")).to_be_empty()
    live.allow()
    expect(page.locator("#state")).to_have_text(re.compile(r"^Complete: \d+ tokens in"))
    for name in "thinking", "answer":
        text = page.locator(f"#streamed .{name}").text_content()
        assert len(text) > 100
        assert page.locator(f"#whole .{name}").text_content() == text
    assert figure(page, "whole", "tokens").text_content() == figure(page, "streamed", "tokens").text_content()
    sizes = [
        int(figure(page, side, "bytes").text_content().replace(",", "")) for side in ("streamed", "whole")
    ]
    assert sizes[0] > 2 * sizes[1] > 1000
    expect(page.locator("#open")).to_have_text("0")


def test_stop_ends_the_source_by_button_and_by_key(live, page):
    live.allow(9)
    for end in page.locator("#stop").click, lambda: page.keyboard.press("Escape"):
        start(page)
        live.sources.until_open(2)
        expect(figure(page, "streamed", "tokens")).to_have_text("9")
        end()
        live.sources.until_open(0)  # though no token is given
        expect(page.locator("#state")).to_have_text("Stopped after 9 tokens.")
        expect(page.locator("#open")).to_have_text("0")
        expect(page.locator("#stop")).to_have_attribute("aria-disabled", "true")


def test_a_reload_or_a_new_start_or_a_closed_tab_ends_the_source(live, page):
    live.allow(9)
    start(page)
    live.sources.until_open(2)
    page.reload()
    live.sources.until_open(0)
    expect(page.locator("#streamed .thinking")).to_be_empty()
    start(page)
    expect(figure(page, "streamed", "tokens")).to_have_text("9")
    start(page)
    expect(page.locator("#open")).to_have_text("2")
    live.sources.until_open(2)
    page.close()
    live.sources.until_open(0)


def test_a_server_that_stops_is_told_of(live, page):
    live.allow(9)
    start(page)
    expect(figure(page, "streamed", "tokens")).to_have_text("9")
    live.stop()
    expect(page.locator("#state")).to_have_text("The server stopped before the answer was complete.")
    expect(page.locator("#streamed .thinking")).to_contain_text("The network cuts where")
    expect(page.locator("#open")).to_have_text(NOTHING)
    expect(page.locator("#spoken")).to_contain_text("The server stopped")
    start(page)
    expect(page.locator("#state")).to_have_text("The server does not answer.")


def test_a_server_that_is_killed_is_told_of(driven, open_page):
    command = [sys.executable, driven.HERE / "app.py", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        page = open_page(server.stdout.readline().split()[0])
        page.get_by_label("Pace").select_option("12")
        start(page)
        expect(page.locator("#streamed .thinking")).not_to_be_empty()
        server.kill()
        expect(page.locator("#state")).to_have_text("The server stopped before the answer was complete.")


def test_it_works_by_keys_alone(live, page):
    live.allow(9)
    focused = []
    for _ in range(5):
        page.keyboard.press("Tab")
        focused.append(page.evaluate("document.activeElement.name || document.activeElement.id"))
    assert focused == ["question", "rate", "seed", "start", "stop"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(figure(page, "streamed", "tokens")).to_have_text("9")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#state")).to_have_text("Stopped after 9 tokens.")
    assert page.evaluate("document.activeElement.id") == "stop"
    page.get_by_label("Seed").press("Enter")
    live.sources.until_open(2)
    page.get_by_label("Seed").fill("")
    page.get_by_label("Seed").press("Enter")  # asks for nothing: a seed is missing
    expect(page.locator("#open")).to_have_text("2")


def test_a_screen_reader_hears_sentences_and_not_tokens(live, open_page):
    page = open_page("about:blank")
    page.clock.install()
    page.goto(live.url)
    start(page)
    live.allow(130)
    expect(page.locator("#streamed .answer")).to_contain_text("A stream comes in pieces, and nobody")
    page.clock.run_for(5000)
    live.allow()
    expect(page.locator("#state")).to_have_text(re.compile("^Complete"))
    page.clock.run_for(5000)
    spoken = page.get_by_role("log")
    expect(spoken).to_contain_text(re.compile("^Thinking.*A stream comes in pieces.*Complete: .* tokens"))
    said = spoken.locator("span").all_text_contents()
    assert len(said) < 6
    assert all(re.search(r"[.!?:]\s*$", each) for each in said)
    answer = page.locator("#streamed .answer").text_content()
    assert " ".join(answer.split()) in " ".join("".join(said).split())
    assert page.locator("[aria-live=polite] .answer, [role=status] .answer").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_in_both_schemes_and_fits_a_narrow_screen(live, open_page, scheme):
    page = open_page(live.url, color_scheme=scheme, viewport={"width": 360, "height": 640})
    live.allow()
    start(page)
    expect(page.locator("#state")).to_have_text(re.compile("^Complete"))
    for selector in (
        "h1",
        "header p",
        "label",
        "select",
        "#start",
        "#stop",
        "#state",
        "dt",
        "dd",
        ".thinking",
        ".answer",
    ):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    for width in 360, 320, 1280:
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for button in "#start", "#stop":
            assert page.locator(button).bounding_box()["height"] >= 44
    back = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 200) == (scheme == "dark")


def test_fifty_readers_tabs_among_them_leave_no_source(live, open_page):
    others = [http.client.HTTPConnection("127.0.0.1", live.port, timeout=60) for _ in range(46)]
    for other in others:
        other.request("GET", "/stream?question=0&seed=1&rate=40")
    tabs = [open_page(live.url) for _ in range(4)]
    for tab in tabs:
        start(tab)
    live.sources.until_open(46 + 2 * 4)
    expect(tabs[0].locator("#open")).to_have_text("54")
    for each in tabs[2:] + others[2:]:
        each.close()
    live.sources.until_open(2 + 2 * 2)
    expect(tabs[0].locator("#open")).to_have_text("6")
    live.allow()
    for tab in tabs[:2]:
        expect(tab.locator("#state")).to_have_text(re.compile("^Complete"))
        expect(tab.locator("#open")).to_have_text("0")
    for other in others[:2]:
        other.close()
