"""The documentation as a site: built strictly, opened from the file system without a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import pages
from workflow_scripts.shared.fingerprint import ROOT

pytestmark = pytest.mark.xdist_group("site")
MKDOCS = Path(sys.executable).with_name("mkdocs")
FETCHED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=\"?(https?://[^\"\s>]+)")


def built(folder):
    """A site in `folder`, and what the build said. Broken links and anchors make it fail."""
    command = [MKDOCS, "build", "--strict", "--site-dir", folder]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = built(folder)
    assert done.returncode == 0, done.stderr
    return folder


def html(site, page):
    """The file of a page in the site."""
    path = site / page.relative_to(ROOT)
    return path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html")


@pytest.mark.slow
def test_every_page_is_in_the_site_and_in_its_navigation(site):
    shown = {str(html(site, page).relative_to(site)) for page in pages.PAGES}
    navigation = (site / "index.html").read_text(encoding="utf-8").partition("md-content")[0]
    linked = set(re.findall(r"href=\"?([\w./]+\.html)", navigation))
    assert shown - {"index.html"} - linked == set()


@pytest.mark.slow
def test_no_page_fetches_anything_from_elsewhere(site):
    found = {
        address
        for path in site.rglob("*.html")
        for address in FETCHED.findall(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.slow
def test_the_site_works_from_the_file_system(site):
    """Each page without errors and with all its images; the search finds a setting and opens it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no `chromium` on PATH: the site is not opened")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        # 404.html has absolute addresses: only a server shows it.
        for path in sorted(set(site.rglob("*.html")) - {site / "404.html"}):
            page.goto(path.as_uri())
            broken = page.eval_on_selector_all(
                "img", "all => all.filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
            )
            assert broken == [], path.name
        page.goto((site / "index.html").as_uri())
        page.click(".md-search__input")
        page.keyboard.type("glasses.gaps.window")
        first = page.locator(".md-search-result__link").first
        first.wait_for()
        first.click()
        page.wait_for_url("**/docs/configuration.html**")
        page.set_viewport_size({"width": 390, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert wide <= 0  # tables scroll in themselves
