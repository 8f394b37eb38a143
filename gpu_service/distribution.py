"""What MPR is called and which version it has where packages are installed, and whether it runs from a clone. Imports
nothing of weight: every command needs it.
"""

from __future__ import annotations

from pathlib import Path

DISTRIBUTION = "mpr-timeline"
"""Not `mpr`: on the package index that is somebody else's."""

VERSION = "0.1.0"
"""Of the whole distribution; pyproject.toml takes it from here."""

ROOT = Path(__file__).resolve().parent.parent
"""The folder that MPR's packages lie in: a clone's root, or `site-packages`."""

CLONE: Path | None = ROOT if (ROOT / "requirements.lock").is_file() else None
"""The clone that this code runs from; None where it was installed from a wheel."""


def install_command(extra: str) -> str:
    """The command that installs MPR with an extra, for messages."""
    return f"pip install '{DISTRIBUTION if CLONE is None else '.'}[{extra}]'"
