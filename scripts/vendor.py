"""Lay what the pages need of the npm packages under gateway/web/static/vendor/, where git does not see it.

Runs after ``npm ci``. Does nothing when the packages, the icon list and this file are what they were. A page names a
vendored file with its version, so that browsers may keep it for ever.
"""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "gateway" / "web" / "static" / "vendor"
STAMP = VENDOR / ".stamp"
ICONS = ROOT / "scripts" / "icons.txt"
DECIDES = (ROOT / "package-lock.json", ICONS, Path(__file__).resolve())
PEN = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'

# Vendored name: (package, file in it). {version} is the package's own.
FILES = {
    "htmx-{version}.min.js": ("htmx.org", "dist/htmx.min.js"),
    "hx-sse-{version}.min.js": ("htmx.org", "dist/ext/hx-sse.min.js"),
    "instrument-sans-latin-ext.woff2": (
        "@fontsource-variable/instrument-sans",
        "files/instrument-sans-latin-ext-wght-normal.woff2",
    ),
    "instrument-sans-latin.woff2": (
        "@fontsource-variable/instrument-sans",
        "files/instrument-sans-latin-wght-normal.woff2",
    ),
    "swagger-ui-bundle.js": ("swagger-ui-dist", "swagger-ui-bundle.js"),
    "swagger-ui.css": ("swagger-ui-dist", "swagger-ui.css"),
    "uplot-{version}.min.css": ("uplot", "dist/uPlot.min.css"),
    "uplot-{version}.min.js": ("uplot", "dist/uPlot.iife.min.js"),
    # The licences travel with what they cover.
    "htmx.LICENSE.txt": ("htmx.org", "LICENSE"),
    "icons.LICENSE.txt": ("lucide-static", "LICENSE"),
    "instrument-sans.LICENSE.txt": ("@fontsource-variable/instrument-sans", "LICENSE"),
    "swagger-ui-bundle.js.LICENSE.txt": ("swagger-ui-dist", "swagger-ui-bundle.js.LICENSE.txt"),
    "swagger-ui.LICENSE.txt": ("swagger-ui-dist", "LICENSE"),
    "swagger-ui.NOTICE.txt": ("swagger-ui-dist", "NOTICE"),
    "uplot.LICENSE.txt": ("uplot", "LICENSE"),
}


def main() -> int:
    """Lay the files and the icon sprite, unless they lie there already."""
    wanted = digest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        STAMP.touch()
        return 0
    if not PACKAGES.is_dir():
        print("node_modules/ is missing: run make setup, which brings the front-end packages first.", file=sys.stderr)
        return 1
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    for name, (package, source) in FILES.items():
        shutil.copyfile(PACKAGES / package / source, VENDOR / name.format(version=version(package)))
    (VENDOR / "icons.svg").write_text(sprite(ICONS.read_text().split()))
    STAMP.write_text(wanted)
    return 0


def digest() -> str:
    """Return the hash of everything that decides what lies in the folder."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in DECIDES)).hexdigest()


def version(package: str) -> str:
    """Return the installed version of an npm package."""
    described: dict[str, str] = json.loads((PACKAGES / package / "package.json").read_text())
    return described["version"]


def sprite(names: list[str]) -> str:
    """Return one SVG with a ``<symbol>`` per lucide icon; a page shows it by ``<use href="…/icons.svg#name">``."""
    symbols = [symbol(name, (PACKAGES / "lucide-static" / "icons" / f"{name}.svg").read_text()) for name in names]
    licence = f"<!-- lucide {version('lucide-static')}, ISC licence: see icons.LICENSE.txt -->"
    return "\n".join([licence, '<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""])


def symbol(name: str, svg: str) -> str:
    """Return the drawing of one icon file as a ``<symbol>``, on lucide's grid of 24."""
    drawing = re.search(r"<svg\b[^>]*>(.*)</svg>", svg, re.DOTALL)
    if drawing is None:
        raise ValueError(f"lucide's {name}.svg holds no drawing")
    strokes = " ".join(drawing[1].split()).replace("> <", "><")
    return f'<symbol id="{name}" viewBox="0 0 24 24" {PEN}>{strokes}</symbol>'


if __name__ == "__main__":
    sys.exit(main())
