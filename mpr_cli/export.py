"""The command `export`: a timeline's report as files that other tools read, in the formats of `mpr_assets.exports`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mpr_assets.evidence.moment import BRAND_STAGES
from mpr_assets.exports.formats import FORMATS, formats_named
from mpr_assets.exports.stored import read_report, write_files
from mpr_assets.runs.local_storage import storage
from mpr_assets.timelines.spec_store import load_spec
from mpr_cli import terminal
from mpr_cli.arguments import Timeline
from mpr_cli.document import Document

app = typer.Typer()


@dataclass(frozen=True)
class ExportedFile:
    format: str
    path: str
    size_bytes: int


@dataclass(frozen=True)
class Exported(Document):
    timeline: str
    files: list[ExportedFile]

    def show(self) -> None:
        for one in self.files:
            terminal.out.print(one.path, soft_wrap=True)


@app.command("export")
def export_command(
    timeline: Timeline,
    formats: Annotated[list[str], typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}; repeatable")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="where the files are written")] = Path(),
) -> Exported:
    """Write a timeline's report in other formats: spreadsheets, subtitles, edit lists; see docs/exports.md."""
    wanted = formats_named(formats)
    load_spec(storage(), timeline)
    tables = read_report(storage(), timeline, BRAND_STAGES)
    data = {name: one.make(tables) for name, one in wanted.items()}
    paths = write_files(to, {f"{timeline}.{wanted[name].suffix}": made for name, made in data.items()})
    files = [ExportedFile(name, str(path), len(data[name])) for name, path in zip(data, paths, strict=True)]
    return Exported(timeline, files)
