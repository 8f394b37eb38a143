"""An installation that commit f0e4f48 wrote, unpacked: storage, DAGSTER_HOME, profiles, and what its commands said.

It was made by `make_store.py`, which says how, and is not to be made anew: what later versions must take over is what
that commit wrote. The timelines in it:

- `match`, every stage, `match_brands` then run again with `min_confidence=0.65`, and bookmarked as `strict`;
- `tuned`, the same clip's first second, `run_ocr` run again with two settings under their names of then;
- `cloud`, where a provider failed once and answered twice, and a claim is left of a process that was killed.

Whether its stages are fresh depends on the packages that find things, as always: where opencv or rapidocr is upgraded
in the lock file (`expected.json` has their versions), the stages that use them are rightly stale, and this test's
expectation of them follows.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

ARCHIVE = Path(__file__).parent / "legacy_store.tar.xz"


@dataclass(frozen=True)
class Installation:
    """Where it was unpacked. Its paths hold in that folder alone, so that it is the current one."""

    folder: Path

    @classmethod
    def unpacked(cls, folder: Path) -> Installation:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder, filter="data")
        return cls(folder)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "MPR_STORAGE_URL": "storage",
            "MPR_PROFILES_DIR": "profiles",
            "DAGSTER_HOME": "dagster_home",
            "TZ": "UTC",
        }

    def expected(self) -> dict[str, list[str]]:
        """The lines that each command printed, the folder in them being this one."""
        said = json.loads((self.folder / "expected.json").read_text())["said"]
        return {
            name: [line.replace("/tmp/legacy", str(self.folder)).rstrip() for line in lines]
            for name, lines in said.items()
        }
