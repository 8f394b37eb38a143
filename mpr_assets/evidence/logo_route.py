"""Why no logo on a frame became a detection of a brand."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from gpu_service.routines import Reference
from gpu_service.routines.logos.logo_set import weak_references
from mpr_assets.evidence.loss import Loss, Reason, quoted
from mpr_assets.evidence.moment import StoredResults, at_frame
from mpr_assets.evidence.remedies import Remedies
from mpr_assets.evidence.text_route import MATCH, OCR, settings_of
from mpr_assets.stages.detect_objects import DetectObjectsSettings
from mpr_assets.stages.match_brands import LOGO_ENGINES, MatchBrandsSettings, match_brands
from mpr_resources.brands.brand_file import Brand, BrandList

LOGOS = "detect_objects"


def logo_loss(
    results: StoredResults, seq: int, brand: Brand, brands: BrandList, references: Sequence[Reference]
) -> Loss:
    """Why no logo of the frame is a detection of the brand.

    Args:
        references: the pictures of all brands.
    """
    header = results.header(LOGOS)
    if header.skipped is not None:
        return Loss(LOGOS, Reason.SWITCHED_OFF, f"No logo was looked for: {header.skipped}.")
    settings = DetectObjectsSettings.model_validate(header.settings)
    engines = [one for one in settings.engines if one in LOGO_ENGINES]
    if not engines:
        return Loss(
            LOGOS,
            Reason.SWITCHED_OFF,
            f"No logo was looked for: engines is {', '.join(settings.engines) or 'empty'}.",
            commands=[f"mpr replay {results.timeline} {LOGOS} --set 'engines=[logo_match]'"],
        )
    own = [one for one in references if one.brand == brand.name]
    if not own:
        return Loss(
            LOGOS,
            Reason.NO_REFERENCE,
            f"{brand.name} has no reference picture, so that no logo of it was looked for.",
            commands=[f"mpr brands add {quoted(brand.name)} --logo PICTURE", f"mpr replay {results.timeline} {LOGOS}"],
        )
    here = at_frame(results.rows(LOGOS), [seq])
    meant = [brands.named(label) for label in here["label"]]
    found = here.filter(pl.Series([one is not None and one.name == brand.name for one in meant], dtype=pl.Boolean))
    hints = found.filter("hint") if "hint" in found.columns else found.clear()
    if found.height > hints.height:
        return _below(results, seq, brand, brands, found)
    if not hints.is_empty():
        best = float(hints["confidence"].max())  # type: ignore[arg-type]
        return Loss(
            LOGOS,
            Reason.NO_LOGO,
            f"A logo of {brand.name} was found on frame {seq} at {best:.3f}, below logo_threshold = "
            f"{settings.logo_threshold:g}, and nothing like its name is read there.",
        )
    pictures = "The reference picture" if len(own) == 1 else f"None of the {len(own)} reference pictures"
    found_not = "was not found" if len(own) == 1 else "was found"
    weak = " ".join(one.sentence for one in weak_references(own))
    return Loss(
        LOGOS,
        Reason.NO_LOGO,
        f"{pictures} of {brand.name} {found_not} on frame {seq} by {' and '.join(engines)}, at a score of "
        f"logo_threshold = {settings.logo_threshold:g} or more.{' ' if weak else ''}{weak}",
    )


def _below(results: StoredResults, seq: int, brand: Brand, brands: BrandList, found: pl.DataFrame) -> Loss:
    """It was found, and is no detection."""
    settings = settings_of(results)

    def lets_through(changed: MatchBrandsSettings) -> bool:
        rows = match_brands(results.rows(OCR).clear(), found, brands, changed)
        return not rows.filter(pl.col("brand") == brand.name).is_empty()

    best = float(found["confidence"].max())  # type: ignore[arg-type]
    if lets_through(settings):
        return Loss(
            MATCH,
            Reason.OUT_OF_DATE,
            f"The logo of {brand.name} was found on frame {seq}; the stored result of {MATCH} is older.",
            commands=[f"mpr replay {results.timeline} {MATCH}"],
        )
    return Loss(
        MATCH,
        Reason.BELOW_THRESHOLD,
        f"The logo of {brand.name} was found on frame {seq} at {best:.3f}, below min_object_confidence = "
        f"{settings.min_object_confidence:g}.",
        Remedies(MATCH, settings, lets_through).among(["min_object_confidence"]),
    )
