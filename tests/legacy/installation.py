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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gpu_service.routines.logos import match
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import StageRun
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import StageTable, from_parquet

ARCHIVE = Path(__file__).parent / "legacy_store.tar.xz"
FIRST = Path(__file__).parent / "first_defaults.json"
"""By stage, its code version and its settings' defaults when the installation was written; names of settings that were
renamed are the present ones."""

FIRST_STAGES = frozenset(json.loads(FIRST.read_text()))
FIRST_LOGO_MATCH = "2"
CHANGED = ("code_version", "schema", "inputs", "body")
"""What `with_first_versions` lays aside of a stage."""


def _with_all(body: Callable[..., Any], inputs: Sequence[str]) -> Callable[..., Any]:
    """The stage's function, given what it takes now besides what it took then."""

    def with_all(run: StageRun[Any], **tables: StageTable) -> Any:
        return body(run, **{name: tables[name] if name in tables else run.stored(name) for name in inputs})

    return with_all


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
        """The stages have the code versions, columns and inputs of then, logo_match its version, and the profiles say
        the defaults of then where they changed. What a stage takes besides it finds as it is stored."""
        first: dict[str, dict[str, Any]] = json.loads(FIRST.read_text())
        now = [(stage, {name: getattr(stage, name) for name in CHANGED}) for stage in stages if stage.name in first]
        logo_match = match.VERSION
        match.VERSION = FIRST_LOGO_MATCH
        for stage, _ in now:
            key = self.folder / "storage" / Keys.table(stage.name, "match")
            table = from_parquet(key.read_bytes(), key.name)
            object.__setattr__(stage, "code_version", first[stage.name]["code_version"])
            object.__setattr__(stage, "schema", dict(table.rows.schema))
            object.__setattr__(stage, "body", _with_all(stage.body, stage.inputs))
            object.__setattr__(stage, "inputs", tuple(one for one in stage.inputs if one in table.header.upstream))
        for profile in (self.folder / "profiles").glob("*.yaml"):
            if profile.name != "brands.yaml":
                self._say_first_defaults(profile, [stage for stage, _ in now], first)
        try:
            yield
        finally:
            match.VERSION = logo_match
            for stage, fields in now:
                for name, value in fields.items():
                    object.__setattr__(stage, name, value)

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
