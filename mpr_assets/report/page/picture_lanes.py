"""Lanes of what the picture looks like and what moves, as shapes of SVG, which are seen without scripts too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpr_assets.report.model import LookSpan, Report

HEIGHT = 100
"""Units of a lane's height."""
FULL_PACE = 0.5
"""Widths of the picture a second at which the camera's lane is full, where it is never faster."""


@dataclass(frozen=True)
class Swatch:
    """A colour for a while, in units of the lane: the left edge, and so on."""

    x: int
    y: int
    w: int
    h: int
    colour: str


@dataclass(frozen=True)
class Curve:
    """A figure over time. `path`: the area under it; `says`: its name and range in words."""

    name: str
    path: str
    says: str


def swatches(looks: Sequence[LookSpan], duration_ms: int, units: int) -> list[Swatch]:
    """The dominant colours of each span, one above the other, as high as their shares; the largest below."""
    found: list[Swatch] = []
    for one in looks:
        left, right = (ms * units // duration_ms for ms in (one.start_ms, one.end_ms))
        whole, used = sum(one.shares) or 1.0, 0.0
        for (red, green, blue), share in zip(one.colours, one.shares, strict=True):
            low, used = round(HEIGHT * used / whole), used + share
            height = round(HEIGHT * used / whole) - low
            if right > left and height:
                colour = f"#{red:02x}{green:02x}{blue:02x}"
                found.append(Swatch(left, HEIGHT - low - height, right - left, height, colour))
    return found


def curves(report: Report, units: int) -> list[Curve]:
    """Brightness, contrast and saturation, what moves, and how fast the camera does; those that were measured."""
    found: list[Curve] = []
    for name in ("brightness", "contrast", "saturation"):
        steps = [(one.start_ms, one.end_ms, float(getattr(one, name))) for one in report.looks]
        found += _curve(name.capitalize(), steps, 1.0, report.duration_ms, units, "")
    if report.motion is None:
        return found
    told = [(one.start_ms, one.end_ms, one.moving_share) for one in report.motion.spans]
    shares = [(start, end, share) for start, end, share in told if share is not None]
    found += _curve("Moving", shares, 1.0, report.duration_ms, units, "")
    told = [(one.start_ms, one.end_ms, one.camera_px_per_s) for one in report.motion.spans]
    paces = [(start, end, pace) for start, end, pace in told if pace is not None]
    full = max([FULL_PACE * max((source.width_px for source in report.sources), default=1), *(one[2] for one in paces)])
    found += _curve("Camera", paces, full, report.duration_ms, units, " px/s")
    return found


def _curve(
    name: str, steps: Sequence[tuple[int, int, float]], full: float, duration_ms: int, units: int, unit: str
) -> list[Curve]:
    """One curve, or none where nothing was measured."""
    if not steps:
        return []
    path = "".join(
        f"M{left} {HEIGHT}v-{height}h{right - left}v{height}z"
        for start, end, value in steps
        if (right := end * units // duration_ms) > (left := start * units // duration_ms)
        and (height := round(HEIGHT * value / full))
    )
    values = [value for _, _, value in steps]
    decimals = 0 if unit else 2
    return [Curve(name, path, f"{name}, {min(values):.{decimals}f} to {max(values):.{decimals}f}{unit}")]
