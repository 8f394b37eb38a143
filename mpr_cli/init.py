"""The command `init`: a project of one's own. Where a command finds its project is in `mpr_resources.environment`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gpu_service.errors import BadInput
from mpr_cli import terminal
from mpr_cli.document import Document
from mpr_resources.environment import SHIPPED, make_private

app = typer.Typer()

PROJECT = Path(__file__).parent / "project"
SOURCES = {
    "profiles": SHIPPED / "profiles",
    "workspace.yaml": SHIPPED / "workspace.yaml",
    "dagster.yaml": SHIPPED / "dagster.yaml",
    "README.md": PROJECT / "README.md",
    ".env.example": PROJECT / "env.example",
    ".gitignore": PROJECT / "gitignore",
}
"""What a project holds, and of what it is a copy."""
MADE = (".env", ".mpr")


@dataclass(frozen=True)
class ProjectLaidOut(Document):
    folder: str

    def show(self) -> None:
        terminal.out.print(
            f"{self.folder} is laid out. There, `mpr run` and `dagster dev` use its profiles and its .mpr."
        )


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="a new folder, or one that none of this is in yet")],
) -> ProjectLaidOut:
    """Lay out a project of your own, with profiles and settings of Dagster, which commands given in it use."""
    folder = folder.expanduser().absolute()
    there = [name for name in (*SOURCES, *MADE) if (folder / name).exists()]
    if there:
        raise BadInput(f"There is already {', '.join(there)} in {folder}", "choose another folder")
    try:
        home = folder / ".mpr" / "dagster"
        make_private(home)
        for name, source in SOURCES.items():
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
        (home / "dagster.yaml").symlink_to(Path("..", "..", "dagster.yaml"))
        # `dagster dev` knows its home by this variable alone, and wants it whole.
        (folder / ".env").touch(0o600)
        (folder / ".env").write_text(f"DAGSTER_HOME={_quoted(str(home))}\n")
    except OSError as error:
        raise BadInput(
            f"The folder {folder} cannot be laid out ({error.strerror or error})", "choose another place"
        ) from error
    return ProjectLaidOut(str(folder))


def _quoted(path: str) -> str:
    """As dotenv reads it back: in single quotes nothing but these and the backslash is special."""
    return "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'"
