from __future__ import annotations

import base64
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest

from gpu_service.pictures import encode_png
from mpr_assets.exports.formats import FORMATS
from tests.world import BRAND, World

MATCH = "/detect/timeline/match"
LOGO = encode_png(cv2.putText(np.full((80, 200, 3), 255, np.uint8), "AC", (20, 60), 0, 2, (20, 20, 200), 5))


def ok(answer: httpx2.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_why_a_brand_is_there_and_why_another_is_not(api: httpx2.Client) -> None:
    answer = ok(api.get(f"{MATCH}/why", params={"brand": "acme motors"}))
    assert (answer["why"]["brand"], answer["why"]["screen_ms"]) == (BRAND, 2000)
    assert answer["why"]["made_by"][0]["stage"] == "timeline"
    assert answer["why"]["detections"][0]["lines"][0]["text"] == BRAND
    lost = ok(api.get(f"{MATCH}/why-not", params={"brand": "Nowhere Airlines", "at_ms": 600}))
    assert (lost["why_not"]["on_screen"], lost["why_not"]["losses"][0]["stage"]) == (False, "match_brands")
    there = ok(api.get(f"{MATCH}/why-not", params={"brand": BRAND, "at_ms": 600}))
    assert (there["why_not"]["on_screen"], there["picture_url"], there["page_url"]) == (True, None, None)
    for shown in (answer, lost):
        picture, page = api.get(shown["picture_url"]), api.get(shown["page_url"])
        assert (picture.headers["content-type"], picture.content[:2]) == ("image/jpeg", b"\xff\xd8")
        assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
        assert page.text.startswith("<!doctype html>") or page.text.startswith("<!DOCTYPE html>")


def test_marks_that_are_alike(api: httpx2.Client) -> None:
    one = ok(api.get(f"{MATCH}/detections"))["rows"][0]
    place = {side: one[side] for side in ("seq", "x", "y", "w", "h")}
    assert [row["seq"] for row in ok(api.get(f"{MATCH}/similar", params=place))["rows"]] == [0, 2, 3]
    nowhere = {"seq": 0, "x": 0, "y": 0, "w": 9, "h": 9}
    assert ok(api.get(f"{MATCH}/similar", params=nowhere))["rows"] == []


def test_places_that_look_alike(api: httpx2.Client) -> None:
    one = ok(api.get(f"{MATCH}/detections"))["rows"][0]
    place = {side: one[side] for side in ("seq", "x", "y", "w", "h")}
    found = ok(api.get(f"{MATCH}/look-alikes", params=place))
    assert (found["places"][0]["text"], found["places"][0]["likeness"] >= 0.8) == (BRAND, True)
    assert len(found["places"]) <= found["looked_at"]
    assert len(ok(api.get(f"{MATCH}/look-alikes", params={**place, "least": -1, "limit": 1}))["places"]) == 1
    outside = api.get(f"{MATCH}/look-alikes", params={**place, "x": 9000})
    assert (outside.status_code, "give one that is in the picture" in outside.json()["error"]) == (400, True)
    assert api.get(f"{MATCH}/look-alikes", params={**place, "seq": 99}).status_code == 404


def test_marks_that_are_in_no_list(api: httpx2.Client) -> None:
    assert ok(api.get(f"{MATCH}/unlisted-marks")) == []
    assert api.get("/detect/timeline/none/unlisted-marks").status_code == 404


def test_the_report_in_every_format(api: httpx2.Client) -> None:
    listed = ok(api.get(f"{MATCH}/exports"))
    assert [one["format"] for one in listed] == [*FORMATS]
    for one in listed:
        file = api.get(one["url"])
        assert (file.status_code, file.content != b"") == (200, True), one
        assert one["file_name"] in file.headers["content-disposition"]
    assert api.get(f"{MATCH}/files/report.html").headers["content-type"] == "text/html; charset=utf-8"
    difference = api.get("/detect/diff.html", params={"before": "match", "after": "match"})
    assert (difference.status_code, "sandbox" in difference.headers["content-security-policy"]) == (200, True)


def test_costs_and_the_cache(api: httpx2.Client, api_world: World) -> None:
    costs = ok(api.get("/detect/costs", params={"by": "day"}))
    assert (costs["by"], costs["sums"], costs["total"]["micro_usd"]) == ("day", [], 0)
    held = ok(api.get("/detect/cache", params={"timeline": "match"}))
    assert {one["kind"] for one in held["folders"]} >= {"frames", "crops"}
    assert api.get("/detect/frames/match/0.jpg").status_code == 200
    cleared = ok(api.delete(f"{MATCH}/cache"))
    try:
        assert cleared["size_bytes"] == held["size_bytes"]
        assert ok(api.get("/detect/cache", params={"timeline": "match"}))["folders"] == []
        assert api.get("/detect/frames/match/0.jpg").status_code == 404
    finally:
        assert api_world.run().success


def test_brands_of_the_registry(api: httpx2.Client, api_world: World) -> None:
    assert BRAND in [one["name"] for one in ok(api.get("/detect/brands"))]
    added = ok(api.post("/detect/brands", json={"name": "AC/DC", "aliases": ["AcDc Band"]}), 201)
    assert (added["status"], added["everywhere"], added["aliases"]) == ("confirmed", True, ["AcDc Band"])
    assert api.post("/detect/brands", json={"name": "ac/dc"}).status_code == 400
    place = {"name": "acdc band", "file": "ac.png"}
    kept = ok(api.put("/detect/brands/references", params=place, content=LOGO))
    assert (kept["brand"]["name"], kept["brand"]["pictures"]) == ("AC/DC", ["ac.png"])
    assert api.get("/detect/brands/references", params=place).content == LOGO
    assert api.get("/detect/brands/references", params=place | {"file": "b.png"}).status_code == 404
    sheet = base64.b64encode(encode_png(np.full((90, 160, 3), 80, np.uint8))).decode()
    body = {"name": "AC/DC", "profile": "board", "timeline_id": "match", "frames": [0], "pictures": {"sheet": sheet}}
    tried = ok(api.post("/detect/brands/test", json=body))
    assert [one["picture"] for one in tried["pictures"]] == ["frame 0", "sheet"]
    assert (tried["pictures"][1]["found"], [one["reference"] for one in tried["references"]]) == (False, ["ac.png"])
    assert ok(api.post("/detect/brands/aliases", json={"name": "AC/DC", "texts": ["ACs"]}))["aliases"] == [
        "ACs",
        "AcDc Band",
    ]
    gone = ok(api.post("/detect/brands/aliases/remove", json={"name": "AC/DC", "texts": ["ACs"]}))
    assert gone["aliases"] == ["AcDc Band"]
    assert ok(api.post("/detect/brands/exclude", json={"names": ["AC/DC", "Void"]}))[1]["status"] == "excluded"
    assert ok(api.post("/detect/brands/confirm", json={"names": ["Void"]}))[0]["status"] == "confirmed"
    merged = ok(api.post("/detect/brands/merge", json={"name": "Void", "into": "AC/DC"}))
    assert (merged["name"], "Void" in merged["aliases"]) == ("AC/DC", True)
    assert "AC/DC" in [one["name"] for one in ok(api.get("/detect/brands", params={"status": "excluded"}))]
    assert ok(api.get("/detect/brands/entry", params={"name": "void"}))["name"] == "AC/DC"
    assert api_world.run().success


BAD = {
    "no such brand": ("GET", "/brands/entry?name=ghost", None, 404),
    "no picture": ("PUT", f"/brands/references?name={BRAND}&file=a.png", b"none", 400),
    "a file of another kind": ("PUT", f"/brands/references?name={BRAND}&file=a.gif", LOGO, 400),
    "a name that climbs": ("PUT", f"/brands/references?name={BRAND}&file=../a.png", LOGO, 422),
    "no brand to explain": ("GET", "/timeline/match/why?brand=ghost", None, 400),
    "past the end": ("GET", f"/timeline/match/why?brand={BRAND}&at_ms=99000", None, 400),
    "no time": ("GET", f"/timeline/match/why-not?brand={BRAND}", None, 422),
    "no format": ("GET", "/timeline/match/exports/doc", None, 404),
    "no file": ("GET", "/timeline/match/files/none.html", None, 404),
    "a file that climbs": ("GET", "/timeline/match/files/..%2Fspec.json", None, 404),
    "no timeline": ("GET", "/timeline/ghost/exports", None, 404),
    "no cache": ("GET", "/cache?timeline=ghost", None, 404),
    "no way of summing": ("GET", "/costs?by=hour", None, 422),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_told(api: httpx2.Client, name: str) -> None:
    method, path, content, status = BAD[name]
    answer = api.request(method, f"/detect{path}", content=content)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "kind"}
