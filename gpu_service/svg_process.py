"""Draws one SVG in a process of its own: `python svg_process.py SIDE_PX < drawing.svg > drawing.png`.

Drawings come from strangers, and the library that draws them knows no limits: filters run for hours, deep nesting and
large pictures end the process, and `href` reads files. So the process that draws has limits of time, memory and open
files, and the drawing is read first. It imports nothing of MPR, so that it starts quickly; `pictures.rasterise` starts
it.

Exit status: 0; 1 with one sentence on stderr.
"""

from __future__ import annotations

import re
import resource
import sys
from xml.parsers import expat

import resvg_py

CPU_S = 5
MEMORY_BYTES = 2**30
MAX_NESTING = 256
"""Drawing programs stay below 50; resvg overflows its stack at some thousands."""
MAX_ELEMENTS = 200_000
EMBEDDED = re.compile(r"data:image/(png|jpe?g|gif|webp)[;,]", re.IGNORECASE)
OUTSIDE_IN_STYLE = re.compile(r"@import|url\(\s*['\"]?\s*(?!#|data:image/(?:png|jpe?g|gif|webp)[;,])", re.IGNORECASE)


class Unusable(Exception):
    """Why a drawing is not drawn."""


class Reader:
    """Walks through a drawing and refuses what reads other files or is nested without end."""

    def __init__(self) -> None:
        self.depth = 0
        self.elements = 0
        self.in_style = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_NESTING:
            raise Unusable(f"it is nested more than {MAX_NESTING} deep")
        if self.elements > MAX_ELEMENTS:
            raise Unusable(f"it has more than {MAX_ELEMENTS} elements")
        self.in_style += name.rpartition(":")[2] == "style"
        for key, value in attributes.items():
            if key.rpartition(":")[2].lower() == "href" and name.rpartition(":")[2] not in ("a", "metadata"):
                address = value.strip()
                if address and not address.startswith("#") and not EMBEDDED.match(address):
                    raise Unusable(f"it refers to another file, {address[:60]!r}")
            self.style(value)

    def end(self, name: str) -> None:
        self.depth -= 1
        self.in_style -= name.rpartition(":")[2] == "style"

    def text(self, text: str) -> None:
        if self.in_style:
            self.style(text)

    def style(self, text: str) -> None:
        if OUTSIDE_IN_STYLE.search(text):
            raise Unusable("its style refers to another file")


def read(svg: bytes) -> None:
    """Walk through the drawing. Raises Unusable."""
    reader = Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(svg, True)
    except expat.ExpatError as error:
        raise Unusable(f"it is not XML: {error}") from error


def main() -> None:
    """Draw what stands on stdin."""
    side_px = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    svg = sys.stdin.buffer.read()
    try:
        read(svg)
        markup = svg.decode("utf-8-sig")
        with_text = "<text" in markup
        if not with_text:  # fonts are files
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        # Drawn to fit a square: its own size may want more memory than there is.
        drawn = resvg_py.svg_to_bytes(svg_string=markup, width=side_px, height=side_px, skip_system_fonts=not with_text)
    except (Unusable, ValueError) as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(bytes(drawn))


if __name__ == "__main__":
    main()
