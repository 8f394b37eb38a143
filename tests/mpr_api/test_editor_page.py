"""How the editor's page is served. What it does is tested in a browser: see `make test-editor`."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from mpr_api import editor_page


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>MPR</title>")
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "index-1a2b.js").write_text("1")
    return tmp_path


def ask(built: Path, path: str) -> tuple[int, str, dict[str, str]]:
    app = FastAPI()
    editor_page.install(app, built)
    answer = TestClient(app).get(path)
    return answer.status_code, answer.text, dict(answer.headers)


def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    status, text, _ = ask(tmp_path, "/")
    assert (status, "make editor" in text) == (503, True)


@pytest.mark.parametrize(
    ("path", "text", "cached"),
    [
        ("/", "<title>MPR</title>", "no-cache"),
        ("/assets/index-1a2b.js", "1", "public, max-age=31536000, immutable"),
    ],
)
def test_what_is_built_is_served_under_a_strict_policy(built: Path, path: str, text: str, cached: str) -> None:
    status, body, headers = ask(built, path)
    assert (status, body, headers["cache-control"]) == (200, text, cached)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/%2e%2e/pyproject.toml"])
def test_nothing_beside_the_built_files_is_served(built: Path, path: str) -> None:
    assert ask(built, path)[0] == 404
