"""Reference pictures from strangers: each is drawn or refused within time and memory, and none reads another file."""

from __future__ import annotations

import base64
import gzip
import resource
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from gpu_service.errors import BadInput
from gpu_service.pictures import encode_png
from gpu_service.routines import Reference
from gpu_service.routines.logos import logo_set as sets
from gpu_service.routines.logos import references
from gpu_service.routines.logos.logo_set import logo_set
from gpu_service.routines.logos.references import read_logo

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 24 24">'
SHAPE = '<path d="M2 2h20v8z"/>'
DOT = base64.b64encode(encode_png(np.zeros((4, 4, 3), np.uint8))).decode()


def svg(content: str) -> bytes:
    return f"{SVG}{content}</svg>".encode()


def png_header(width_px: int, height_px: int, bits: int = 8) -> bytes:
    """A PNG of many pixels in few bytes, all of them black."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width_px, height_px, bits, 0, 0, 0, 0)
    rows = zlib.compressobj(9)
    line = bytes(1 + width_px * bits // 8)
    data = b"".join(rows.compress(line) for _ in range(height_px)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", data) + part(b"IEND", b"")


FILTERS = "".join(f'<feTurbulence baseFrequency="0.{n}" numOctaves="9999999"/>' for n in range(1, 60))
USES = "".join(f'<g id="g{n}">{"".join(f"""<use href="#g{n - 1}"/>""" for _ in range(10))}</g>' for n in range(1, 9))
LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 99}">' for n in range(1, 9))
BOMB = base64.b64encode(png_header(30_000, 30_000)).decode()

DRAWN = {
    "a shape": svg(SHAPE),
    "byte order mark": b"\xef\xbb\xbf" + svg(SHAPE),
    "entities of a drawing program": (
        '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd" '
        f'[<!ENTITY ns "http://www.w3.org/2000/svg">]><svg xmlns="&ns;" viewBox="0 0 24 24">{SHAPE}</svg>'
    ).encode(),
    "reference within": svg(f'<defs><g id="a">{SHAPE}</g></defs><use xlink:href="#a"/>'),
    "gradient": svg(
        '<linearGradient id="g"><stop offset="0"/><stop offset="1" stop-color="red"/></linearGradient>'
        '<path fill="url(#g)" d="M2 2h20v8z"/>'
    ),
    "picture within": svg(f'{SHAPE}<image width="9" height="9" href="data:image/png;base64,{DOT}"/>'),
    "link": svg(f'<a href="https://example.com">{SHAPE}</a>'),
    "style sheet elsewhere, which is left": b'<?xml-stylesheet href="http://127.0.0.1:9/a.css"?>' + svg(SHAPE),
    "use of itself": svg(f'<g id="a"><use href="#a"/></g><use href="#a"/>{SHAPE}'),
    "sides without end": svg(SHAPE).replace(b"viewBox", b'width="4000000000" height="4000000000" viewBox'),
    "letters without end": svg(f'<text font-size="1e9" y="9">A</text>{SHAPE}'),
}
REFUSED = {
    "nothing": (b"", "cannot be read"),
    "absolute path": (svg(f'{SHAPE}<image width="9" height="9" href="SECRET"/>'), "refers to another file"),
    "absolute path, old spelling": (svg('<image width="9" height="9" xlink:href="SECRET"/>'), "refers to another file"),
    "file address": (svg('<image width="9" height="9" href="file://SECRET"/>'), "refers to another file"),
    "relative path": (svg('<image width="9" height="9" href="secret.png"/>'), "refers to another file"),
    "web address": (svg('<image width="9" height="9" href="http://127.0.0.1:9/a.png"/>'), "refers to another file"),
    "filter's picture": (svg('<filter id="f"><feImage href="SECRET"/></filter>'), "refers to another file"),
    "use of a file": (svg('<use href="SECRET#a"/>'), "refers to another file"),
    "entity hides a path": (
        b'<!DOCTYPE svg [<!ENTITY p "SECRET">]>' + svg('<image width="9" height="9" href="&p;"/>'),
        "refers to another file",
    ),
    "entity of a file": (
        b'<!DOCTYPE svg [<!ENTITY p SYSTEM "SECRET">]>' + svg(f"<desc>&p;</desc>{SHAPE}"),
        "unknown entity reference",
    ),
    "document type elsewhere": (
        b'<!DOCTYPE svg SYSTEM "http://127.0.0.1:9/a.dtd" [<!ENTITY % p SYSTEM "SECRET"> %p;]>' + svg(SHAPE),
        "not an SVG picture that can be drawn",
    ),
    "billion laughs": (
        f"<!DOCTYPE svg [{LAUGHS}]>".encode() + svg(f"<desc>&a8;</desc>{SHAPE}"),
        "limit on input amplification",
    ),
    "packed": (gzip.compress(svg(SHAPE)), "cannot be read"),
    "drawing within": (
        svg(f'<image href="data:image/svg+xml;base64,{base64.b64encode(svg(SHAPE)).decode()}"/>'),
        "refers to another file",
    ),
    "style": (svg('<rect style="fill:url(SECRET#a)" width="9" height="9"/>'), "style refers to another file"),
    "style sheet": (svg(f"<style>@import 'SECRET';</style>{SHAPE}"), "style refers to another file"),
    "deep nesting": (svg("<g>" * 50_000 + SHAPE + "</g>" * 50_000), "nested more than 256 deep"),
    "many elements": (svg("<path/>" * 250_000), "more than 200000 elements"),
    "many bytes": (svg(f"<!--{'x' * 6_000_000}-->"), "more than 5 MB"),
    "filters without end": (
        svg(f'<filter id="f" x="0" y="0" width="1" height="1">{FILTERS}</filter><g filter="url(#f)">{SHAPE}</g>'),
        "too much time or memory|more than 20 s",
    ),
    "billion uses": (
        svg(f'<defs><g id="g0">{SHAPE}</g>{USES}</defs><use href="#g8"/>'),
        "too much time or memory|more than 20 s|not an SVG",
    ),
    "bomb within": (
        svg(f'<image width="24" height="24" href="data:image/png;base64,{BOMB}"/>'),
        "too much time or memory|more than 20 s|nothing drawn",
    ),
    "900 megapixels": (png_header(30_000, 30_000), "it has more than 40 megapixels"),
    "a format beside": (b"P6\n30000 30000\n255\n" + bytes(99), "cannot be read"),
    "16 bits": (png_header(8000, 8000, 16), "its 8000 x 8000 pixels are more than 40 megapixels"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_an_honest_drawing_is_drawn(name: str) -> None:
    logo = read_logo(Reference("Acme", "a.svg", DRAWN[name]))
    assert max(logo.pixels.shape[:2]) == references.MAX_SIDE_PX
    assert logo.ink.any()


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_reference_is_refused(name: str, tmp_path: Path) -> None:
    encoded, says = REFUSED[name]
    secret = tmp_path / "secret.png"
    secret.write_bytes(encode_png(np.zeros((50, 50, 3), np.uint8)))
    began = time.monotonic()
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=rf"The logo a\.svg of Acme .*({says})"):
        read_logo(Reference("Acme", "a.svg", encoded.replace(b"SECRET", str(secret).encode())))
    assert time.monotonic() - began < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kb < 300_000


def test_a_slow_reference_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    prepare = references.prepare

    def slow(reference: Reference) -> references.Logo:
        if reference.brand == "Slow":
            begun.set()
            assert go_on.wait(30)
        return prepare(reference)

    monkeypatch.setattr(sets, "prepare", slow)
    shape = svg(f"<g>{SHAPE}</g>")
    thread = threading.Thread(target=logo_set, args=([Reference("Slow", "a.svg", shape)],))
    thread.start()
    assert begun.wait(30)
    assert [logo.brand for logo in logo_set([Reference("Quick", "a.svg", shape)]).logos] == ["Quick"]
    go_on.set()
    thread.join(30)


def test_a_reference_that_failed_is_tried_again() -> None:
    bad = Reference("Acme", "a.svg", b"<svg broken")
    for _ in range(2):
        with pytest.raises(BadInput, match="not an SVG picture that can be drawn"):
            logo_set([bad])
