"""A page in a real browser: what axe-core finds, and what a screen shows.

Headless Chromium is started once for each page and prints the document as it is after the scripts have run, so neither
a driver nor a debugging port is needed. axe-core is put into a copy of the page, whose content security policy, which
forbids just that, is taken out of the copy.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

AXE = Path(__file__).with_name("axe") / "node_modules/axe-core/axe.min.js"
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_RUN = """
axe.run(document).then(
  found => { document.documentElement.setAttribute("data-axe", JSON.stringify(
    {violations: found.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html)]),
     incomplete: found.incomplete.map(v => [v.id, v.impact, v.nodes.map(n => n.html)]),
     passes: found.passes.map(v => v.id)})); });
"""


def program() -> str | None:
    """The browser, if there is one."""
    return shutil.which("chromium")


def has_axe() -> bool:
    """Whether the browser and the rules are there."""
    return program() is not None and AXE.exists()


def axe(page: str, folder: Path) -> dict[str, Any]:
    """What axe-core says of a page: violations, incomplete, passes.

    Args:
        page: the HTML.
        folder: for the copy and the browser's profile.
    """
    assert _POLICY.search(page), "the page forbids nothing"
    copy = folder / "page.html"
    script = f"<script>{AXE.read_text()}</script><script>{_RUN}</script>"
    copy.write_text(_POLICY.sub("", page).replace("</body>", f"{script}</body>"))
    shown = _chromium(folder, "--virtual-time-budget=20000", "--dump-dom", copy.as_uri())
    found = re.search(r'<html[^>]* data-axe="([^"]*)"', shown)
    assert found, "axe-core has not run"
    said: dict[str, Any] = json.loads(html.unescape(found[1]))
    return said


def _chromium(folder: Path, *args: str) -> str:
    browser = program()
    assert browser
    own = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder}/profile",
    )
    return subprocess.run([browser, *own, *args], capture_output=True, text=True, check=True, timeout=90).stdout
