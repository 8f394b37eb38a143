from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_service.distribution import install_command
from gpu_service.errors import BadInput
from mpr_resources import environment
from mpr_resources.profiles.folder import Profiles

WORKSPACE = "load_from:\n  - python_module: mpr_assets.definitions\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MPR installed from a wheel: the package's folder of what comes with it. The user's home is `user`."""
    shipped = tmp_path / "site-packages" / "mpr_resources" / "shipped"
    (shipped / "profiles").mkdir(parents=True)
    (shipped / "profiles" / "generic.yaml").write_text("description: any\n")
    (shipped / "dagster.yaml").write_text("")
    for module in ("mpr_resources.environment", "mpr_resources.profiles.folder", "gpu_service.distribution"):
        monkeypatch.setattr(f"{module}.CLONE", None)
    for module in ("mpr_resources.environment", "mpr_resources.profiles.folder"):
        monkeypatch.setattr(f"{module}.SHIPPED", shipped)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setattr("sys.platform", "linux")
    return shipped


def nothing(folder: Path) -> None:
    folder.mkdir(parents=True)


def project(folder: Path) -> None:
    (folder / "profiles").mkdir(parents=True)
    (folder / "workspace.yaml").write_text(WORKSPACE)
    (folder / "dagster.yaml").write_text("")


def below_a_project(folder: Path) -> None:
    project(folder.parent)
    folder.mkdir()


def project_without_profiles(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "workspace.yaml").write_text(WORKSPACE)


def anothers_workspace(folder: Path) -> None:
    project(folder)
    (folder / "workspace.yaml").write_text("load_from:\n  - python_module: another.definitions\n")


def workspace_is_a_folder(folder: Path) -> None:
    (folder / "workspace.yaml").mkdir(parents=True)


PLACES: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "nothing": (nothing, "user/mpr", "shipped/profiles", "shipped/dagster.yaml"),
    "a project": (project, "work/here/.mpr", "work/here/profiles", "work/here/dagster.yaml"),
    "below a project": (below_a_project, "work/.mpr", "work/profiles", "work/dagster.yaml"),
    "a project without profiles": (
        project_without_profiles,
        "work/here/.mpr",
        "shipped/profiles",
        "shipped/dagster.yaml",
    ),
    "another's workspace": (anothers_workspace, "user/mpr", "shipped/profiles", "shipped/dagster.yaml"),
    "a folder of that name": (workspace_is_a_folder, "user/mpr", "shipped/profiles", "shipped/dagster.yaml"),
}


@pytest.mark.parametrize("name", PLACES)
def test_where_things_are_without_a_variable(
    name: str, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, *expected = PLACES[name]
    here = tmp_path / "work" / "here"
    make(here)
    monkeypatch.chdir(here)
    state, profiles, settings = (
        installed.parent / path if path.startswith("shipped/") else tmp_path / path for path in expected
    )
    assert environment.storage_url({}) == str(state / "storage")
    assert environment.dagster_home({}) == state / "dagster"
    assert environment.database_url({}) == f"sqlite:///{state}/dagster/registry.sqlite"
    assert environment.profiles_path({}) == profiles
    assert environment.dagster_settings() == settings


def test_a_clone_is_used_from_everywhere_but_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment.state_folder() == environment.ROOT / ".mpr"
    assert environment.profiles_path({}) == environment.ROOT / "profiles"
    project(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    assert environment.state_folder() == tmp_path / "mine" / ".mpr"


def test_a_working_directory_that_is_gone_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert environment.project_folder() == environment.CLONE


def test_variables_go_before(installed: Path) -> None:
    environ = {"MPR_STORAGE_URL": "s3://b/p", "DAGSTER_HOME": "/h", "MPR_PROFILES_DIR": "/p"}
    assert environment.storage_url(environ) == "s3://b/p"
    assert environment.dagster_home(environ) == Path("/h")
    assert environment.database_url(environ) == "sqlite:////h/registry.sqlite"
    assert environment.profiles_path(environ) == Path("/p")


ENV_FILES: dict[str, tuple[str | None, dict[str, str]]] = {
    "none": (None, {"SET": "by the shell"}),
    "empty": ("", {"SET": "by the shell"}),
    "with both": ("SET=x\nNEW='a b'\nBARE\n# C=1\n", {"SET": "by the shell", "NEW": "a b"}),
}


@pytest.mark.parametrize("name", ENV_FILES)
def test_what_the_project_sets_is_set_where_the_shell_does_not(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = ENV_FILES[name]
    project(tmp_path / "mine")
    if text is not None:
        (tmp_path / "mine" / ".env").write_text(text)
    monkeypatch.chdir(tmp_path / "mine" / "profiles")
    environ = {"SET": "by the shell"}
    environment.read_env_file(environ)
    assert environ == expected


def test_an_env_file_that_is_no_text_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path / "mine")
    (tmp_path / "mine" / ".env").write_bytes(b"A=\xff\n")
    monkeypatch.chdir(tmp_path / "mine")
    with pytest.raises(BadInput, match=rf"{tmp_path}/mine/\.env cannot be read \(.*\); correct it\.$"):
        environment.read_env_file({})


def test_profiles_of_the_installed_package_stay_as_they_are(installed: Path) -> None:
    profiles = Profiles(installed / "profiles", {})
    with pytest.raises(BadInput, match=r"come with MPR and stay as they are; make .* `mpr init FOLDER`"):
        profiles.duplicate("generic", "mine")
    assert [path.name for path in (installed / "profiles").iterdir()] == ["generic.yaml"]


def test_extras_are_installed_by_the_name_of_the_distribution(installed: Path) -> None:
    assert install_command("team") == "pip install 'mpr-timeline[team]'"


def test_extras_are_installed_from_the_clone() -> None:
    assert install_command("team") == "pip install '.[team]'"
