"""The pages of a proof and of a loss, each one self-contained file.

Their layouts are `why.html` and `why_not.html` in `report/page`, beside `page.css`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gpu_service.pictures import Image, encode_jpeg
from mpr_assets.evidence.found import FoundDetection, Proof
from mpr_assets.evidence.loss import remedy_commands
from mpr_assets.evidence.lost import Lost
from mpr_assets.evidence.makers import Maker
from mpr_assets.report.page.render import FOLDER, html_environment
from mpr_resources.media.clock import clock

QUALITY = 88
SLUG_LETTERS = 40


@dataclass(frozen=True)
class PagePicture:
    """A picture of the page as a data URI, with what it shows."""

    title: str
    uri: str

    @classmethod
    def of(cls, title: str, pixels: Image) -> PagePicture:
        return cls(title, f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(pixels, QUALITY)).decode()}")


@dataclass(frozen=True)
class PlacePictures:
    """A detection with its place enlarged, and the crops of it that are stored."""

    detection: FoundDetection
    place: PagePicture | None
    crops: Sequence[PagePicture]


def why_page(
    timeline: str,
    proof: Proof,
    made: Sequence[Maker],
    frame: PagePicture | None,
    places: Sequence[PlacePictures],
    steps: Sequence[PagePicture],
    notes: Sequence[str],
) -> str:
    """The page as HTML; equal arguments give equal pages."""
    template = html_environment().get_template("why.html")
    return template.render(
        timeline=timeline,
        proof=proof,
        made=made,
        frame=frame,
        places=places,
        steps=steps,
        notes=notes,
        clock=clock,
        css=(FOLDER / "page.css").read_text(),
    )


def why_not_page(timeline: str, found: Lost, frame: PagePicture | None) -> str:
    """The page of a loss as HTML; equal arguments give equal pages."""
    template = html_environment().get_template("why_not.html")
    return template.render(
        timeline=timeline,
        found=found,
        frame=frame,
        clock=clock,
        commands=partial(remedy_commands, timeline),
        css=(FOLDER / "page.css").read_text(),
    )


def page_name(question: str, brand: str, at_ms: int | None) -> str:
    """A file name for the page of a question about a brand, the same for the same, in letters that every store takes.

    >>> page_name("why", "Acme Motors", 723_000)
    'why_Acme-Motors_00-12-03.000.html'
    """
    plain = unicodedata.normalize("NFC", brand)
    slug = re.sub(r"[^\w]+", "-", plain).strip("-")[:SLUG_LETTERS]
    if slug.replace("-", " ") != plain:  # two names must not have one page
        slug = f"{slug}-{hashlib.sha256(plain.encode()).hexdigest()[:6]}".lstrip("-")
    moment = "" if at_ms is None else f"_{clock(at_ms).replace(':', '-')}"
    return f"{question}_{slug}{moment}.html"
