from __future__ import annotations

from pathlib import Path

import pytest

from gpu_service.errors import BadInput
from mpr_assets.annotations.corrections import PixelBox
from mpr_assets.corrections.correction_files import AskedCorrection, read_correction_file

HEAD = "timeline,action,brand,to,at_s,frame,start_s,end_s,x,y,w,h,note\n"
BOX = PixelBox(x=10, y=20, w=30, h=40)


def write(folder: Path, text: str) -> Path:
    path = folder / "corrections.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_lines_ask_for(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        HEAD + "match,add,Acme,,1.25,,,,10,20,30,40.2,behind the goal\n"
        "match,Reject,Acme,,,7,,,,,,,\n"
        "other,relabel,Acme,Bolt,,,1,2.5,,,,,\n",
    )
    assert read_correction_file(path) == [
        AskedCorrection(f"{path}, line 2", "match", "add", "Acme", "", 1250, None, None, BOX, "behind the goal"),
        AskedCorrection(f"{path}, line 3", "match", "reject", "Acme", "", None, 7, None, None, ""),
        AskedCorrection(f"{path}, line 4", "other", "relabel", "Acme", "Bolt", None, None, (1000, 2500), None, ""),
    ]


LINE = HEAD + "{}\n"
REFUSED = {
    "empty": ("", " is empty; begin it with the line timeline,action,brand."),
    "no line": (HEAD, " holds no correction; add a line for each below the columns."),
    "an unknown column": ("timeline,action,brand,when\n", ", line 1: the column 'when' is not known; the columns are "),
    "a column is missing": ("timeline,brand\nmatch,Acme\n", ", line 1: there is no column 'action'; the columns are "),
    "no timeline": (
        LINE.format(",add,Acme,,1,,,,1,2,30,40,"),
        ", line 2: it names no timeline; fill in the column timeline.",
    ),
    "an unknown action": (
        LINE.format("match,remove,Acme,,1,,,,,,,,"),
        ", line 2: the action 'remove' is not known; write add, reject or relabel.",
    ),
    "no time": (
        LINE.format("match,reject,Acme,,,,,,,,,,"),
        ", line 2: it does not say when; fill in at_s, frame, or start_s and end_s.",
    ),
    "a time and a frame": (
        LINE.format("match,reject,Acme,,1,2,,,,,,,"),
        ", line 2: it has a time and a frame; leave one of them out.",
    ),
    "a start alone": (
        LINE.format("match,reject,Acme,,,,1,,,,,,"),
        ", line 2: it has a start or an end alone; fill in both, or at_s alone.",
    ),
    "backwards": (
        LINE.format("match,reject,Acme,,,,2,1,,,,,"),
        ", line 2: it ends at or before its start; put the earlier time first.",
    ),
    "not a number": (
        LINE.format("match,reject,Acme,,NaN,,,,,,,,"),
        ", line 2: at_s is 'NaN'; write a number of 0 or more, with a point for decimals.",
    ),
    "a frame that is no number": (
        LINE.format("match,reject,Acme,,,-1,,,,,,,"),
        ", line 2: frame is '-1'; write the number of a sampled frame, as the report has it.",
    ),
    "no box": (
        LINE.format("match,add,Acme,,1,,,,,,,,"),
        ", line 2: it does not say where the brand is; fill in x, y, w and h, in px of the frame.",
    ),
    "half a box": (
        LINE.format("match,add,Acme,,1,,,,1,2,,,"),
        ", line 2: a box has x, y, w and h; fill in all four, or none.",
    ),
    "a box that is no number": (
        LINE.format("match,add,Acme,,1,,,,1,nan,30,40,"),
        ", line 2: y is 'nan'; write a number of pixels of 0 or more.",
    ),
    "a small box": (
        LINE.format("match,add,Acme,,1,,,,1,2,30,5,"),
        ", line 2: the box is 30 x 5 px; make it 8 px or larger.",
    ),
    "relabelled as nothing": (
        LINE.format("match,relabel,Acme,,1,,,,,,,,"),
        ", line 2: it does not say what the brand really is; fill in `to` where the action is relabel, and only there.",
    ),
    "rejected as something": (
        LINE.format("match,reject,Acme,Bolt,1,,,,,,,,"),
        ", line 2: reject has no use for 'Bolt'; fill in `to` where the action is relabel, and only there.",
    ),
    "relabelled as itself": (
        LINE.format("match,relabel,Acme,ACME,1,,,,,,,,"),
        ", line 2: 'Acme' and 'ACME' are one brand; name another in `to`.",
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_cannot_be_meant_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as refused:
        read_correction_file(path)
    assert str(refused.value).startswith(f"{path}{said}")
