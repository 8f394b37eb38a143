"""What pyproject.toml cannot say: the profiles and Dagster's files, which a user of a clone edits at its top, go into a
wheel as `mpr_resources/shipped`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("profiles", "dagster.yaml", "workspace.yaml")


class BuildWithShipped(build_py):
    """Copies `SHIPPED` beside the packages, from which `mpr_resources.environment` takes them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # then they are read from the clone
            return
        target = Path(self.build_lib) / "mpr_resources" / "shipped"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in SHIPPED:
            (shutil.copytree if Path(name).is_dir() else shutil.copyfile)(name, target / name)


setup(cmdclass={"build_py": BuildWithShipped})
