"""An installation that commit f0e4f48 wrote, unpacked: storage, DAGSTER_HOME, profiles, and what its commands said.

It was made by `make_store.py`, which says how, and is not to be made anew: what later versions must take over is what
that commit wrote. The timelines in it:

- `match`, every stage, `match_brands` then run again with `min_confidence=0.65`, and bookmarked as `strict`;
- `tuned`, the same clip's first second, `run_ocr` run again with two settings under their names of then;
- `cloud`, where a provider failed once and answered twice, and a claim is left of a process that was killed.

Whether its stages are fresh depends on what finds things, as always. Code versions, columns and defaults that have
changed since are laid aside by `with_first_versions`, so that the tests look at what is kept whatever a stage computes:
hashes, names, tables. Where opencv or rapidocr is upgraded in the lock file (`expected.json` has their versions), the
stages that use them are rightly stale, and the tests' expectation of them follows.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mpr_assets.engine.stage import Stage
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import from_parquet

ARCHIVE = Path(__file__).parent / "legacy_store.tar.xz"
FIRST = Path(__file__).parent / "first_defaults.json"
"""By stage, its code version and its settings' defaults when the installation was written; names of settings that were
renamed are the present ones."""


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

    @contextmanager
    def with_first_versions(self, stages: Iterable[Stage]) -> Iterator[None]:
        """The stages have the code versions and columns of then, and the profiles say the defaults of then where they
        changed."""
        now = [(stage, stage.code_version, stage.schema) for stage in stages]
        first: dict[str, dict[str, Any]] = json.loads(FIRST.read_text())
        for stage, _, _ in now:
            table = self.folder / "storage" / Keys.table(stage.name, "match")
            object.__setattr__(stage, "code_version", first[stage.name]["code_version"])
            object.__setattr__(stage, "schema", dict(from_parquet(table.read_bytes(), table.name).rows.schema))
        for profile in (self.folder / "profiles").glob("*.yaml"):
            if profile.name != "brands.yaml":
                self._say_first_defaults(profile, [stage for stage, _, _ in now], first)
        try:
            yield
        finally:
            for stage, version, schema in now:
                object.__setattr__(stage, "code_version", version)
                object.__setattr__(stage, "schema", schema)

    def _say_first_defaults(self, profile: Path, stages: Iterable[Stage], first: dict[str, dict[str, Any]]) -> None:
        sections: dict[str, Any] = yaml.safe_load(profile.read_text())
        for stage in stages:
            section = sections.get(stage.name, {})
            said = stage.settings.model_validate(section).model_fields_set
            current = stage.settings().model_dump(mode="json")
            changed = {
                name: value
                for name, value in first[stage.name]["settings"].items()
                if name not in said and current[name] != value
            }
            if changed:
                sections[stage.name] = {**section, **changed}
        profile.write_text(yaml.safe_dump(sections, sort_keys=False))
