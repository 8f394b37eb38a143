"""The stage `corrections` in a run, and the report that comes of it."""

from __future__ import annotations

import polars as pl

from mpr_assets.annotations.corrections import (
    Correction,
    PixelBox,
    correction_references,
    corrections_version,
    forget_corrections,
    keep_corrections,
    read_corrections,
)
from mpr_resources.storage.keys import Keys
from tests.gpu_service.test_detect import KITE
from tests.world import BRAND, TIMELINE, World

ADDED = Correction(
    action="add", brand="Nowhere Airlines", start_ms=500, end_ms=1500, box=PixelBox(x=10, y=20, w=60, h=60)
)
REJECTED = Correction(action="reject", brand=BRAND, start_ms=0, end_ms=2000)


def report(world: World) -> list[tuple[str, int, int, str]]:
    ran = world.run("corrections", "compile_report")
    assert ran.failures() == {}
    return world.table("compile_report").rows.select("brand", "start_ms", "end_ms", "source").rows()


def test_corrections_are_in_the_report_and_gone_where_they_are_removed(world: World) -> None:
    as_found = report(world)
    assert world.table("corrections").header.skipped == "no correction is given (mpr correct)"
    keep_corrections(world.storage, TIMELINE, [(ADDED, b""), (REJECTED, b"")])
    assert report(world) == [("Nowhere Airlines", 250, 1250, "manual")]
    made = world.table("corrections").rows
    assert made.filter(pl.col("brand").is_null())["reason"].unique().to_list() == [f"rejected:{BRAND}"]
    before = world.listing()
    assert report(world) == [("Nowhere Airlines", 250, 1250, "manual")], "again"
    assert world.listing() == before
    forget_corrections(world.storage, TIMELINE, [REJECTED])
    assert report(world) == [*as_found, ("Nowhere Airlines", 250, 1250, "manual")]
    forget_corrections(world.storage, TIMELINE, [ADDED])
    assert report(world) == as_found


def test_each_correction_is_an_object_of_its_own_with_its_picture(world: World) -> None:
    assert (read_corrections(world.storage, TIMELINE), corrections_version(world.storage, TIMELINE)) == ([], "")
    pictured = ADDED.model_copy(update={"brand": "Kite", "picture": KITE.sha256})
    keep_corrections(world.storage, TIMELINE, [(pictured, KITE.encoded), (REJECTED, b"")])
    version = corrections_version(world.storage, TIMELINE)
    keep_corrections(world.storage, TIMELINE, [(REJECTED, b"")])
    assert read_corrections(world.storage, TIMELINE) == [REJECTED, pictured]
    assert corrections_version(world.storage, TIMELINE) == version
    assert [(one.brand, one.encoded) for one in correction_references(world.storage, TIMELINE)] == [
        ("Kite", KITE.encoded)
    ]
    assert world.storage.get(Keys.correction(TIMELINE, f"{pictured.name}.png")) == KITE.encoded
    ran = world.run("detect_objects")
    assert ran.metadata("detect_objects")["references"] == 1
    forget_corrections(world.storage, TIMELINE, [pictured, REJECTED])
    assert not [key for key in world.listing() if "annotations" in key]
