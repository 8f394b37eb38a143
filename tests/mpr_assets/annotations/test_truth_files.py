from __future__ import annotations

from pathlib import Path

import pytest

from gpu_service.errors import BadInput
from mpr_assets.annotations.truth import Truth, TruthRow
from mpr_assets.annotations.truth_files import read_truth_file

HEAD = "brand,start_s,end_s,kind,note\n"


def row(brand: str, start_ms: int, end_ms: int, **more: object) -> TruthRow:
    return TruthRow.model_validate({"brand": brand, "start_ms": start_ms, "end_ms": end_ms, **more})


READ = {
    "no row": (HEAD, []),
    "a wordmark": (HEAD + "Acme,1.25,3,text,board\n", [row("Acme", 1250, 3000, kind="text", note="board")]),
    "three columns": ("brand,start_s,end_s\nAcme,0,1\n", [row("Acme", 0, 1000)]),
    "in milliseconds": ("end_ms,start_ms,brand\n900,100,Acme\n", [row("Acme", 100, 900)]),
    "of any kind": (HEAD + "Acme,0,1,any,\n", [row("Acme", 0, 1000)]),
    "optional": (
        HEAD + "Acme,0,1,logo,small; hard\nAcme,0.5,2,logo,OPTIONAL\n",
        [
            row("Acme", 0, 1000, kind="logo", note="small; hard", optional=True),
            row("Acme", 500, 2000, kind="logo", note="OPTIONAL", optional=True),
        ],
    ),
    "text and logo at once": (
        HEAD + "ACME,0,1,text,\nAcme,0,1,logo,\n",
        [row("ACME", 0, 1000, kind="text"), row("Acme", 0, 1000, kind="logo")],
    ),
    "by eye a little past the end": (HEAD + "Acme,0,10.2,text,\n", [row("Acme", 0, 10_000, kind="text")]),
    "a mark before it, spaces, quotes, an empty line": (
        '\ufeffbrand, start_s ,end_s\r\n\r\n" Acme,  Ltd ", 0 ,1\r\n',
        [row("Acme, Ltd", 0, 1000)],
    ),
    "any script": ("brand,start_s,end_s\nコカ・コーラ,0,1\n", [row("コカ・コーラ", 0, 1000)]),
}


@pytest.mark.parametrize(("text", "rows"), READ.values(), ids=READ.keys())
def test_a_file_of_truth_is_read(text: str, rows: list[TruthRow], tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_truth_file(path, length_ms=10_000) == Truth(file="truth.csv", rows=tuple(rows))


REFUSED = {
    "empty": ("", " is empty; begin it with the line brand,start_s,end_s."),
    "an unknown column": (
        "brand,start_s,end_s,colour\n",
        ", line 1: the column 'colour' is not known; the columns are "
        "brand, start_s, end_s, start_ms, end_ms, kind, note.",
    ),
    "a column twice": ("brand,start_s,start_s\n", ", line 1: the column 'start_s' is there twice; remove one of them."),
    "no brand": (
        "start_s,end_s\n",
        ", line 1: there is no column 'brand'; name it, with the brand of each row below.",
    ),
    "no end": (HEAD + "Acme,1,,text,\n", ", line 2: it has no start or no end; fill in start_s and end_s, in seconds."),
    "a name that is none": (
        HEAD + " - ,1,2,text,\n",
        ", line 2: the brand '-' has no letter or digit; name the brand.",
    ),
    "not a number": (
        HEAD + "Acme,nan,2,text,\n",
        ", line 2: start_s is 'nan'; write a number of 0 or more, with a point for decimals.",
    ),
    "a comma for a point": (
        'brand,start_s,end_s\nAcme,"1,5",2\n',
        ", line 2: start_s is '1,5'; write a number of 0 or more, with a point for decimals.",
    ),
    "negative": (
        HEAD + "Acme,-1,2,text,\n",
        ", line 2: start_s is '-1'; write a number of 0 or more, with a point for decimals.",
    ),
    "infinite": (
        HEAD + "Acme,1,inf,text,\n",
        ", line 2: end_s is 'inf'; write a number of 0 or more, with a point for decimals.",
    ),
    "backwards": (HEAD + "Acme,2,1,text,\n", ", line 2: it ends at or before its start; put the earlier time first."),
    "past the end": (
        HEAD + "Acme,0,1,text,\nAcme,9,10.3,text,\n",
        ", line 3: it ends at 00:00:10.300, and the timeline at 00:00:10.000; "
        "end it there; times are on the timeline's clock.",
    ),
    "all of it past the end": (
        HEAD + "Acme,10,10.1,text,\n",
        ", line 2: 00:00:10.000 is past the timeline's end at 00:00:10.000; "
        "times are on the timeline's clock, which begins at 0.",
    ),
    "an unknown kind": (
        HEAD + "Acme,0,1,sign,\n",
        ", line 2: the kind 'sign' is not known; write text for a wordmark, logo for a symbol.",
    ),
    "overlapping": (
        HEAD + "Acme,0,2,text,\nBolt,0,2,text,\nacme,1.5,3,text,\n",
        ", line 4: the same brand is on screen at 00:00:01.500 by line 2 too as text; "
        "make one row of the two, or end the first where the second begins.",
    ),
    "a cell more": (
        HEAD + "Acme,0,1,text,a,b\n",
        ", line 2: it has 6 cells and the first line 5; put texts with commas in quotes.",
    ),
    "a quote that is not closed": (
        HEAD + '"Acme,0,1\n',
        ", line 2: it has 1 cells and the first line 5; put texts with commas in quotes.",
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_cannot_be_used_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        read_truth_file(path, length_ms=10_000)
    assert str(refused.value).startswith(f"{path}{said}")


@pytest.mark.parametrize("suffix", [".csv", ".xml", ".json"])
def test_files_larger_than_any_are_refused_unread(suffix: str, tmp_path: Path) -> None:
    with (path := tmp_path / f"huge{suffix}").open("wb") as huge:
        huge.truncate(20 * 10**9)  # of holes: it takes no room
    with pytest.raises(BadInput, match=r"is larger than 64 MB; split it by timeline\."):
        read_truth_file(path, 1000)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere.csv cannot be read \(No such file or directory\); name a file"):
        read_truth_file(tmp_path / "nowhere.csv", 1000)
    (tmp_path / "clip.csv").write_bytes(b"\x00\xff\xfe")
    with pytest.raises(BadInput, match=r"clip.csv is not text in UTF-8; save it as CSV in UTF-8\."):
        read_truth_file(tmp_path / "clip.csv", 1000)
