"""Chromium, Debian's own, as a person has it: pages in any width and colour scheme, and what their consoles say."""

import contextlib
import io
import os
import pathlib
import shutil

import PIL.Image
from playwright.sync_api import sync_playwright

from harness import environment

WIDTHS = (320, 768, 1920)
SCHEMES = ("light", "dark")


class Browser:
    def __init__(self):
        self.playwright = sync_playwright().start()
        # Tests may run as root, whom Chromium's sandbox refuses.
        self.chromium = self.playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])

    def stop(self):
        self.chromium.close()
        self.playwright.stop()

    @contextlib.contextmanager
    def page(self, width=1280, scheme="light", javascript=True):
        """An empty page. What its console warned of, and what its scripts threw, is `page.complaints`, and fails."""
        context = self.chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                            java_script_enabled=javascript)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: page.complaints.append(f"a dialog: {dialog.message}"))
        try:
            yield page
            assert page.complaints == []
        finally:
            context.close()


def overflow(page):
    """By how much the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def violations(page):
    """What axe-core finds wrong by WCAG 2.2 AA, in short."""
    page.evaluate((environment.NODE_MODULES / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})")
    return [(v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found["violations"]]


def keep(page, name):
    """A screenshot of the whole page, which is looked at here; for people where SCREENSHOTS names a directory."""
    shot = page.screenshot(full_page=True)
    window = page.evaluate("""({width: innerWidth, height: document.documentElement.scrollHeight,
                               dark: matchMedia('(prefers-color-scheme: dark)').matches})""")
    if directory := os.environ.get("SCREENSHOTS"):
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        (pathlib.Path(directory) / f"{name}.png").write_bytes(shot)
    judge(shot, window["width"], window["height"], window["dark"], name)


def judge(shot, width, height, is_dark, name):
    """A picture of this size, dark or light as a whole, on which there is something, from the top to the bottom."""
    with PIL.Image.open(io.BytesIO(shot)) as picture:
        assert picture.width == width and abs(picture.height - height) <= 1, (name, picture.size, width, height)
        grey = picture.convert("L")
    histogram = grey.histogram()
    ground = histogram.index(max(histogram))
    assert (ground < 64) if is_dark else (ground > 192), (name, ground)
    # Text and lines: far from the ground, in each third of the page.
    for third in range(3):
        part = grey.crop((0, third * grey.height // 3, grey.width, (third + 1) * grey.height // 3)).histogram()
        drawn = sum(count for shade, count in enumerate(part) if abs(shade - ground) > 64)
        assert drawn / sum(part) > 0.002, (name, third, drawn)
