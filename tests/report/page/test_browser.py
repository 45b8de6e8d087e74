"""The page, opened in Chromium where it is installed: what only a browser can tell."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = (390, 1440)
READABLE = 4.5  # the contrast of text that WCAG 2.2 asks for at level AA

MEASURE = """
function rgba(text) { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n }
function luminance(colour) {
  const [r, g, b] = colour.slice(0, 3).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function behind(element) {
  for (let each = element; each; each = each.parentElement) {
    const colour = rgba(getComputedStyle(each).backgroundColor)
    if (colour[3]) return colour
  }
}
function contrast(element) {
  const [low, high] = [behind(element), rgba(getComputedStyle(element).color)].map(luminance).sort((a, b) => a - b)
  return (high + 0.05) / (low + 0.05)
}
function measured(frame) {
  const page = frame.contentDocument, all = [...page.body.querySelectorAll("*")]
  const inside = box => box.left >= 0 && box.right <= frame.clientWidth
  const skip = page.querySelector("a"), hidden = skip.getBoundingClientRect().right
  skip.focus()
  return {
    width: page.documentElement.scrollWidth,
    outside: all.filter(each => !each.closest(".scroll, .skip") && !inside(each.getBoundingClientRect())).length,
    contrast: Math.min(...all.filter(each => [...each.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
      .map(contrast)),
    dark: luminance(behind(page.body)) < 0.5,
    pictures: [...page.images].map(each => each.naturalWidth),
    skip: [hidden, skip.getBoundingClientRect().left, getComputedStyle(skip).outlineStyle],
    verdicts: page.querySelector("main table").getBoundingClientRect().top,
  }
}
addEventListener("load", () => document.body.textContent = JSON.stringify([...document.querySelectorAll("iframe")]
  .map(measured)))
"""


def browse(folder: Path, *arguments: str) -> str:
    if not BROWSER:
        pytest.skip("no Chromium is installed")
    command = [BROWSER, *QUIET, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_width_and_can_be_read_in_both_schemes(whole: bytes, tmp_path: Path, scheme: str) -> None:
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{escape(whole.decode())}"></iframe>'
        for width in WIDTHS
    )
    outer = tmp_path / "frames.html"
    outer.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"<script>{MEASURE}</script>{frames}"
    )
    number = ["dark", "light"].index(scheme)
    told = browse(tmp_path, f"--blink-settings=preferredColorScheme={number}", "--dump-dom", outer.as_uri())
    body = re.search(r"<body>(.*)</body>", told, re.DOTALL)
    assert body, told[-300:]
    for width, seen in zip(WIDTHS, json.loads(unescape(body[1])), strict=True):
        assert seen["width"] <= width and not seen["outside"], "only tables scroll sideways, in their own box"
        assert seen["contrast"] >= READABLE
        assert seen["dark"] == (scheme == "dark")
        assert len(seen["pictures"]) >= 3 and all(seen["pictures"]), "every picture is decoded"
        hidden, shown, outline = seen["skip"]
        assert hidden < 0 <= shown and outline != "none", "the link over the contents appears with the focus"
        assert seen["verdicts"] < 900, "verdicts are on the first screen"


def test_it_can_be_printed(whole: bytes, tmp_path: Path) -> None:
    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_bytes(whole)
    browse(tmp_path, f"--print-to-pdf={printed}", page.as_uri())
    content = printed.read_bytes()
    assert content.startswith(b"%PDF") and content.count(b"/Type /Page\n") > 5
