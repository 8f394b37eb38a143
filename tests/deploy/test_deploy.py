"""What a container would read, held together: files, commands, variables. That it runs is tested in tests/services."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.config_schema import process_workspace_config

from mpr_assets.definitions import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILES = ["Dockerfile", "inference.Dockerfile"]


def load(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / name).read_text()))


def named_variables(value: Any) -> set[str]:
    """Those that a Dagster file takes from the environment."""
    if isinstance(value, dict):
        if set(value) == {"env"}:
            return {value["env"]}
        return {name for inner in value.values() for name in named_variables(inner)}
    return {name for inner in value for name in named_variables(inner)} if isinstance(value, list) else set()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_linter_finds_nothing_in_the_dockerfile(name: str) -> None:
    linter = Path(sys.executable).parent / "hadolint"
    linted = subprocess.run([linter, DEPLOY / name], capture_output=True, text=True, check=False)
    assert (linted.stdout, linted.returncode) == ("", 0)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_the_dockerfile_copies_is_there(name: str) -> None:
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (.*)$", (DEPLOY / name).read_text(), re.MULTILINE)]
    assert copied
    assert [path for paths in copied for path in paths if not (ROOT / path).exists()] == []


def test_the_image_has_every_package() -> None:
    copied = re.findall(r"^COPY (\w+) \1$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert [name for name in include if name.removesuffix("*") not in copied] == []


def test_dagster_takes_the_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPR_CODE_HOST", "code")
    monkeypatch.setenv("MPR_CODE_PORT", "4000")
    for text in ((DEPLOY / "dagster.yaml").read_text(), (DEPLOY / "dagster.yaml").read_text() + ray()):
        (tmp_path / "dagster.yaml").write_text(text)
        config, _ = dagster_instance_config(str(tmp_path))
        assert config["run_retries"] == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": True}
        assert config["run_coordinator"]["class"] == "CheckedRunCoordinator"
    assert process_workspace_config(load("workspace.yaml")).success


def test_the_limits_of_the_queue_are_those_of_one_machine() -> None:
    here = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    limits = [file["concurrency"]["runs"]["tag_concurrency_limits"] for file in (here, load("dagster.yaml"))]
    assert limits[0] == limits[1]


def test_the_containers_have_every_variable_that_is_asked_for() -> None:
    example = (DEPLOY / "example.env").read_text()
    given = set(load("compose.yaml")["x-mpr"]["environment"]) | set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    image = set(re.findall(r"(\w+)=", (DEPLOY / "Dockerfile").read_text().partition("ENV ")[2]))
    assert named_variables(load("dagster.yaml")) | named_variables(load("workspace.yaml")) <= given | image
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert asked <= set(re.findall(r"^(?:# )?(\w+)=", example, re.MULTILINE))


def test_what_the_pages_name_can_be_set() -> None:
    host = ROOT / "docs" / "gpu-host.md"  # whose variables are that process' own
    pages = "".join(path.read_text() for path in {ROOT / "README.md", *(ROOT / "docs").glob("*.md")} - {host})
    named = set(re.findall(r"\b((?:MPR|SKIP|AWS|INFERENCE|RAY)_[A-Z_]+|[A-Z]+_API_KEY)\b", pages))
    example = set(re.findall(r"^(?:# )?(\w+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))
    elsewhere = {"MPR_CODE_HOST", "MPR_CODE_PORT", "MPR_DATABASE_URL", "MPR_PROFILES_DIR"}
    assert named - example - elsewhere == set()


def test_files_that_the_containers_mount_are_there() -> None:
    services = load("compose.yaml")["services"]
    mounted = [volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", [])]
    assert [path for path in mounted if path.startswith(".") and not (DEPLOY / path).exists()] == []


def ray() -> str:
    return (DEPLOY / "ray.yaml").read_text()
