"""What somebody asks to be corrected, before it is held against its timeline: a line of a file, or a page's wish."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_service.errors import BadInput
from mpr_assets.annotations.corrections import Action, PixelBox
from mpr_resources.brands.folding import fold_key

LEAST_PX = 8
"""A smaller box holds no mark that could be looked for elsewhere."""


@dataclass(frozen=True)
class AskedCorrection:
    """A correction as it is asked for.

    Attributes:
        where: what messages call it: the file and the line.
        at_ms, seq, span_ms: when: a time, the number of a sampled frame, or from when to when. One of the first two at
            most; a span may come with one of them, or alone.
        reference: whether its box is cut as a reference picture, by which the mark is looked for elsewhere.
    """

    where: str
    timeline: str
    action: Action
    brand: str
    to: str
    at_ms: int | None
    seq: int | None
    span_ms: tuple[int, int] | None
    box: PixelBox | None
    note: str
    reference: bool = True

    def checked(self) -> AskedCorrection:
        """This, where it can be meant.

        Raises:
            BadInput: it cannot.
        """
        if self.at_ms is not None and self.seq is not None:
            raise BadInput(f"{self.where}: it has a time and a frame", "leave one of them out")
        if self.span_ms is None and self.at_ms is None and self.seq is None:
            raise BadInput(f"{self.where}: it does not say when", "fill in at_s, frame, or start_s and end_s")
        if self.action == "add" and self.box is None:
            raise BadInput(
                f"{self.where}: it does not say where the brand is", "fill in x, y, w and h, in px of the frame"
            )
        if (self.action == "relabel") != bool(self.to):
            what = (
                "it does not say what the brand really is"
                if self.action == "relabel"
                else f"{self.action} has no use for {self.to!r}"
            )
            raise BadInput(f"{self.where}: {what}", "fill in `to` where the action is relabel, and only there")
        if self.to and fold_key(self.to) == fold_key(self.brand):
            raise BadInput(f"{self.where}: {self.brand!r} and {self.to!r} are one brand", "name another in `to`")
        return self
