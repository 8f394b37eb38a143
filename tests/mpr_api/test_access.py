from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from gpu_service.errors import BadInput
from mpr_api.access.config import ApiConfig
from mpr_api.access.guard import cookie_value, role_of_cookie, role_of_token
from mpr_api.access.refusals import Refused
from mpr_api.access.roots import within
from mpr_api.world.backend import Backend
from tests.mpr_api.live import config_of, resources_of, served
from tests.world import World

TOKEN, READ = "s3cret-of-the-team", "only-for-reading"
LOCKED = ApiConfig(token=TOKEN, read_token=READ)


@pytest.fixture(scope="module")
def guarded_url(api_world: World) -> Iterator[str]:
    config = config_of(api_world, token=TOKEN, read_token=READ, origins=("https://tools.example",))
    with served(Backend(config, api_world.instance, resources_of(api_world))) as url:
        yield url


@pytest.mark.parametrize(
    ("environ", "host", "said"),
    [
        pytest.param({}, "0.0.0.0", "anybody in the network", id="open to the network"),
        pytest.param({}, "192.168.1.5", "anybody in the network", id="an address of the network"),
        pytest.param({"MPR_API_READ_TOKEN": "x"}, "127.0.0.1", "MPR_API_TOKEN is not", id="a read-only token alone"),
        pytest.param({"MPR_API_TOKEN": "x", "MPR_API_READ_TOKEN": "x"}, "::1", "are the same", id="one for both"),
        pytest.param({"MPR_API_TOKEN": "a b"}, "::1", "ASCII letters", id="a token with a space"),
        pytest.param({"MPR_API_ORIGINS": "*"}, "localhost", "is not an origin", id="every page"),
        pytest.param({"MPR_API_ORIGINS": "https://x.example/a"}, "localhost", "is not an origin", id="a path"),
    ],
)
def test_what_is_not_served(environ: dict[str, str], host: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        ApiConfig.from_environ(environ, host)


def test_what_is_served_without_a_token(tmp_path: Path) -> None:
    config = ApiConfig.from_environ({"MPR_MEDIA_URL": str(tmp_path), "MPR_SOURCE_ROOTS": "/media, s3://bucket/in/"})
    assert (config.host, config.port, config.token) == ("127.0.0.1", 8100, "")
    assert config.roots == ("/media", "s3://bucket/in/")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost:8100", 200, id="localhost"),
        pytest.param("127.0.0.1", 200, id="the address"),
        pytest.param("[::1]:8100", 200, id="of version 6"),
        pytest.param("evil.example", 403, id="a name that leads here"),
        pytest.param("127.0.0.1.evil.example:8100", 403, id="one that begins like it"),
        pytest.param("localhost.evil.example", 403, id="one that begins like the name"),
        pytest.param("[", 403, id="no name"),
    ],
)
def test_without_a_token_only_names_of_this_machine_are_answered(api: httpx2.Client, host: str, status: int) -> None:
    answer = api.get("/detect/timeline", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["kind"] == "refused"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        pytest.param(None, 200, id="no page"),
        pytest.param("self", 200, id="its own page"),
        pytest.param("https://evil.example", 403, id="another page"),
        pytest.param("null", 403, id="a page without origin"),
    ],
)
def test_pages_of_other_servers_change_nothing(api: httpx2.Client, origin: str | None, status: int) -> None:
    headers = {} if origin is None else {"Origin": str(api.base_url).rstrip("/") if origin == "self" else origin}
    body = {"frames": [0]}
    assert api.post("/detect/timeline/match/try/detect_edges", json=body, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("authorization", "reads", "writes"),
    [
        pytest.param("", 401, 401, id="none"),
        pytest.param("Bearer wrong", 401, 401, id="wrong"),
        pytest.param(f"Bearer {TOKEN}x", 401, 401, id="longer"),
        pytest.param(f"Basic {TOKEN}", 401, 401, id="another scheme"),
        pytest.param(f"Bearer {READ}", 200, 403, id="read-only"),
        pytest.param(f"Bearer {TOKEN}", 200, 200, id="right"),
        pytest.param(f"bearer {TOKEN}", 200, 200, id="the scheme in small letters"),
    ],
)
def test_what_a_token_opens(guarded_url: str, authorization: str, reads: int, writes: int) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    path = f"{guarded_url}/api/detect/timeline/match"
    assert httpx2.get(path, headers=headers).status_code == reads
    tried = httpx2.post(f"{path}/try/detect_edges", json={"frames": [0]}, headers=headers, timeout=30)
    assert tried.status_code == writes


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/openapi.json", 200), ("/detect/session", 200)])
def test_what_is_open_to_all(guarded_url: str, path: str, status: int) -> None:
    assert httpx2.get(guarded_url + path).status_code == status


def test_a_page_logs_in_by_a_cookie_that_scripts_cannot_read(guarded_url: str) -> None:
    with httpx2.Client(base_url=guarded_url, timeout=30) as page:
        assert page.post("/detect/login", json={"token": "wrong"}).status_code == 401
        login = page.post("/detect/login", json={"token": READ})
        assert login.json() | {"version": ""} == {"role": "read", "login_required": True, "version": ""}
        cookie = login.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert READ not in cookie
        assert page.get("/detect/timeline").status_code == 200
        assert page.delete("/detect/timeline/match").status_code == 403
        page.post("/detect/logout")
        assert page.get("/detect/timeline").status_code == 401


@pytest.mark.parametrize(
    ("value", "role"),
    [
        pytest.param("", None, id="none"),
        pytest.param("write.99999999999.00", None, id="made up"),
        pytest.param(cookie_value(LOCKED, "write", 0.0), None, id="expired"),
        pytest.param(cookie_value(ApiConfig(token="other"), "write", 1e9), None, id="of another token"),
        pytest.param(cookie_value(LOCKED, "read", 1e9).replace("read", "write"), None, id="changed"),
        pytest.param(cookie_value(LOCKED, "read", 1e9), "read", id="read-only"),
        pytest.param(cookie_value(LOCKED, "write", 1e9), "write", id="right"),
    ],
)
def test_what_a_cookie_opens(value: str, role: str | None) -> None:
    assert role_of_cookie(LOCKED, value, 1e9 + 10) == role


def test_no_token_opens_a_server_that_has_none_of_the_kind() -> None:
    assert role_of_token(ApiConfig(token=TOKEN), "") is None


def test_scripts_of_a_listed_origin_may_ask(guarded_url: str) -> None:
    listed = {"Origin": "https://tools.example", "Authorization": f"Bearer {TOKEN}"}
    answer = httpx2.get(f"{guarded_url}/detect/timeline", headers=listed)
    assert answer.headers["access-control-allow-origin"] == "https://tools.example"
    other = httpx2.get(f"{guarded_url}/detect/timeline", headers=listed | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_no_origin_may_ask_where_none_is_listed(api: httpx2.Client) -> None:
    answer = api.get("/detect/timeline", headers={"Origin": "https://tools.example"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("address", "status"),
    [
        pytest.param("clip.mp4", 400, id="a relative path"),
        pytest.param("/etc/passwd", 403, id="outside"),
        pytest.param("ROOT/../secret.mp4", 403, id="climbs out"),
        pytest.param("ROOTbeside/a.mp4", 403, id="a folder that begins like it"),
        pytest.param("ROOT/link/a.mp4", 403, id="a link that leads out"),
        pytest.param("ROOT/a\0.mp4", 403, id="no path"),
        pytest.param("s3://bucket/other/a.mp4", 403, id="another prefix"),
        pytest.param("s3://bucket/in/../other/a.mp4", 403, id="climbs out of a prefix"),
        pytest.param("s3://bucket/in/%2e%2e/other/a.mp4", 403, id="climbs encoded"),
        pytest.param("https://cdn.example.evil.example/a.mp4", 403, id="a host that begins like it"),
        pytest.param("https://user@cdn.example/a.mp4", 403, id="a user"),
        pytest.param("file:///etc/passwd", 403, id="a file as an address"),
        pytest.param("ROOT/a.mp4", 0, id="a file"),
        pytest.param("s3://bucket/in/a.mp4", 0, id="an object"),
        pytest.param("https://cdn.example/x/a.mp4", 0, id="an address"),
    ],
)
def test_what_may_be_named(tmp_path: Path, address: str, status: int) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    roots = [str(root), "s3://bucket/in/", "https://cdn.example/"]
    asked = address.replace("ROOT", str(root))
    if status == 0:
        assert within(asked, roots) == asked
        return
    with pytest.raises(Refused) as refused:
        within(asked, roots)
    assert refused.value.status == status
