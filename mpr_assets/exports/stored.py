"""A stored report, read for exports; and files written into a folder of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.exports.tables import ReportTables, brands_of
from mpr_assets.report.model import Report
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_table


def read_report(storage: Storage, timeline: str) -> ReportTables:
    """What is stored of a timeline's report, stale or not.

    Raises:
        BadInput: there is none.
        PermanentError: it cannot be read, or its parts do not belong together.
    """
    try:
        exposures = read_table(storage, "compile_report", timeline).rows
        report = Report.model_validate_json(storage.get(Keys.report(timeline, "report.json")))
    except MissingObject as error:
        raise BadInput(f"The timeline {timeline!r} has no report yet", "run it first") from error
    except ValidationError as error:
        what = f"The report of the timeline {timeline!r} is not one that this version of MPR can read"
        raise PermanentError(what, f"compile it again: mpr replay {timeline} compile_report") from error
    if report.counts.exposures != exposures.height:
        what = f"The report of the timeline {timeline!r} does not fit its table of exposures"
        raise PermanentError(what, "a run is at work, or was broken off: wait for it, or run it again")
    return ReportTables(report, exposures, brands_of(report))


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files into a folder, which is made where it is not there; those of the same names are replaced.

    None appears before all of them are written whole.

    Raises:
        BadInput: the folder, or a file in it, cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".mpr-export-", dir=folder) as unfinished:
            for name, data in files.items():
                Path(unfinished, name).write_bytes(data)
            for name in files:
                Path(unfinished, name).replace(folder / name)
    except OSError as error:
        what = f"The folder {str(folder)!r} cannot be written ({error.strerror or error})"
        raise BadInput(what, "name another one with --to") from error
    return [folder / name for name in files]
