"""RO-Crate, read by the `rocrate` package."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from rocrate.rocrate import ROCrate

from mpr_assets.exports.formats import FORMATS
from mpr_assets.exports.tables import ReportTables
from mpr_assets.report.model import StageProvenance
from tests.mpr_assets.exports.reports import NAMES, tables

MADE = tables(*NAMES)
OWN = {
    "stage": "compile_report",
    "status": "materialized",
    "code_version": "6.2",
    "settings": {"exports": ["ro-crate"]},
}
STAGES = (
    *MADE.report.stages,
    StageProvenance(stage="run_asr", status="skipped", reason="switched off in the profile"),
    StageProvenance.model_validate(OWN),
)
REPORT = ReportTables(MADE.report.model_copy(update={"stages": STAGES}), MADE.exposures, MADE.measures, MADE.behind)


def test_a_crate_has_its_files_and_an_action_for_each_stage(tmp_path: Path) -> None:
    path = tmp_path / "derby.crate.zip"
    path.write_bytes(FORMATS["ro-crate"].make(REPORT))
    crate = ROCrate(path)
    assert crate.name == "Report of derby"
    files = [one for one in crate.data_entities if one.type == "File"]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(["ro-crate-metadata.json", *(one.id for one in files)])
        for one in files:
            data = archive.read(one.id)
            assert (one["sha256"], one["contentSize"]) == (sha256(data).hexdigest(), str(len(data)))
    assert [one.id for one in files if one.id.startswith("frames/")] == [f"frames/{seq:08d}.jpg" for seq in (0, 2, 5)]
    actions = crate.get_by_type("CreateAction")
    told = [
        (one["name"], one["actionStatus"], one["instrument"]["softwareVersion"], one.get("endTime")) for one in actions
    ]
    end = datetime.fromtimestamp(1_760_000_000, UTC).isoformat(timespec="milliseconds")
    done = "http://schema.org/CompletedActionStatus"
    assert told == [
        ("run_ocr", done, "", end),
        ("run_asr", "http://schema.org/PotentialActionStatus", "", end),
        ("compile_report", done, "6.2", None),
    ]
    assert [(one["name"], one["value"]) for one in actions[0]["object"] if one.type == "PropertyValue"] == [("fps", 2)]
    assert [one["name"] for one in actions[0]["object"] if one.type == "VideoObject"] == ["a b.mp4"]
    assert [one["value"] for one in actions[2]["object"]] == ['["ro-crate"]']
    assert {one.id for one in actions[2]["result"]} == {one.id for one in files}
    assert {one.id for one in crate.root_dataset["mentions"]} == {one.id for one in actions}


def test_a_crate_of_no_exposure_has_no_frame() -> None:
    with zipfile.ZipFile(io.BytesIO(FORMATS["ro-crate"].make(tables()))) as archive:
        assert not any(name.startswith("frames/") for name in archive.namelist())
