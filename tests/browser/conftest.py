"""Pages in headless Chromium, from the disk and with the network off."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install -e '.[browser]'"
    )
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_file(browser) -> Iterator[Any]:
    """Opens a page from the disk, offline, and fails where it or the console reports an error, or asks for anything."""
    contexts, errors = [], []

    def open_page(path: Path, **how: Any) -> Any:
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 1000}, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and errors.append(line.text))
        page.on(
            "request",
            lambda asked: asked.url.startswith(("file:", "data:", "blob:")) or errors.append(asked.url),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def serious_faults() -> Any:
    """What axe finds on a page that is serious, each by its name and the first element that has it."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install -e '.[browser]'"
    )

    def found(page: Any) -> list[tuple[str, str]]:
        for summary in page.locator("summary").all():
            summary.click()
        violations = axe.Axe().run(page).response["violations"]
        serious = [one for one in violations if one["impact"] in ("serious", "critical")]
        return [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]

    return found
