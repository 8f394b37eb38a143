"""The documentation names what is there: every room, every file, every page that it links to."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gpu_service.distribution import DISTRIBUTION
from mpr_assets.definitions import ROOT, STAGES
from tests import command_line_page
from tests.test_architecture import ROOMS

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = ElementTree.parse(ROOT / "docs" / "architecture.svg").getroot()
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRAVELLERS = ("frame", "setting", "brand_name", "override")
TASKS = 10


def group(name: str) -> ElementTree.Element:
    found = PICTURE.find(f"{SVG}g[@id='{name}']")
    assert found is not None, f"architecture.svg has no group {name}"
    return found


def rows_below(heading: str) -> list[list[str]]:
    """The cells of each row of the table that follows the text `heading` on the page."""
    lines = PAGE.split(heading, 1)[1].lstrip("\n").splitlines()
    table = lines[: next((n for n, line in enumerate(lines) if n and not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table if not re.match(r"\| ---", line)]


@pytest.mark.parametrize("package", ROOMS)
def test_the_picture_has_the_rooms_of_a_package(package: str) -> None:
    drawn = [text.text for text in group(package).iter(f"{SVG}text") if text.get("class") == "room"]
    assert drawn == ROOMS[package].split()


@pytest.mark.parametrize("package", ROOMS)
def test_the_page_says_what_each_room_of_a_package_holds(package: str) -> None:
    named = [name for row in rows_below(f"| `{package}` | |") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(ROOMS[package].split())


@pytest.mark.parametrize("traveller", TRAVELLERS)
def test_every_station_of_a_journey_is_a_file(traveller: str) -> None:
    stations = [title.text or "" for title in group(traveller).iter(f"{SVG}title")]
    assert len(stations) == 7
    assert [path for path in stations if not (ROOT / path).is_file()] == []


def test_every_example_task_names_files_that_are_there() -> None:
    tasks = rows_below("## Ten tasks, and the file to change\n")[1:]
    assert len(tasks) == TASKS
    for task, files in tasks:
        paths = re.findall(r"`([^`]+)`", files)
        assert paths, task
        assert [path for path in paths if not (ROOT / path).exists()] == [], task


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_linked_from_the_readme_or_from_another_page() -> None:
    linked = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"\]\((?!https?:)([^)#]+\.md)\)", page.read_text())
    }
    assert [page.name for page in PAGES[1:] if page.resolve() not in linked] == []


def test_the_readme_has_every_stage() -> None:
    named = re.findall(r"`(\w+)`", (ROOT / "README.md").read_text())
    assert [stage.name for stage in STAGES if stage.name not in named] == []


def test_the_page_of_the_command_line_has_every_command_with_its_keys() -> None:
    there = command_line_page.PAGE.read_text().partition(command_line_page.HEADING)[2]
    assert there.strip() == command_line_page.written().strip(), command_line_page.RUN


def test_no_page_installs_what_is_anothers_on_the_package_index() -> None:
    named = [name for page in PAGES for name in re.findall(r"(?:install|--from) '?(mpr[\w-]*)", page.read_text())]
    assert set(named) <= {DISTRIBUTION}
