"""What a user may get wrong, through the command line: one sentence, an exit status, nothing lost or half made."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from gpu_service.pictures import encode_jpeg, encode_png
from mpr_assets.definitions import ROOT
from mpr_cli import app
from mpr_resources import step_failure
from mpr_resources.media import fence
from mpr_resources.storage.keys import Keys
from tests.clips import write_clip
from tests.mpr_resources.media.test_probe import (
    audio,
    cut,
    flat,
    no_frames,
    noisy,
    written,
)
from tests.world import Ran, World, listing

BRANDS = "brands:\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"'


@dataclass(frozen=True)
class Case:
    """A command and what it must say.

    Attributes:
        argv: words; {clip} and {tmp} stand for the good clip and the test's folder.
        says: parts of the one line on stderr, in their order: what is wrong, and what to do.
        make: files that it needs, made in the test's folder.
        environ: variables that differ, with the same stand-ins.
    """

    argv: list[str]
    says: list[str]
    make: Callable[[Path], object] = lambda _folder: None
    environ: dict[str, str] = field(default_factory=dict)
    status: int = app.UNUSABLE


def video(make: Callable[[Path], object], *says: str, name: str = "a.mp4") -> Case:
    """A source that cannot be used."""
    return Case(["run", f"{{tmp}}/{name}"], [name, *says], lambda folder: make(folder / name))


def chunk(*chunks: str, says: list[str], videos: int = 1) -> Case:
    return Case(["run", *["{clip}"] * videos, *(f"--chunk={one}" for one in chunks)], says)


def profile(text: str, *says: str) -> Case:
    """A profile `bad` of this text."""

    def make(folder: Path) -> None:
        (folder / "profiles").mkdir()
        (folder / "profiles" / "bad.yaml").write_bytes(text.encode("latin-1"))

    environ = {"MPR_PROFILES_DIR": "{tmp}/profiles"}
    return Case(["run", "{clip}", "--profile", "bad"], list(says), make, environ)


def name(text: str, *says: str) -> Case:
    return Case(["timeline", "create", "{clip}", f"--name={text}"], ["The timeline name", *says])


def brands(text: str, *says: str) -> Case:
    """A brand file of this text."""
    make = lambda folder: (folder / "b.yaml").write_text(text)  # noqa: E731
    return Case(["run", "{clip}", "--brands", "{tmp}/b.yaml"], list(says), make)


def logo(file: str, content: bytes | None, *says: str) -> Case:
    """A brand file that names this logo."""

    def make(folder: Path) -> None:
        (folder / "b.yaml").write_text(f"brands:\n  - name: Acme\n    logos: [{file}]\n")
        if content is not None:
            (folder / file).write_bytes(content)

    return Case(["run", "{clip}", "--brands", "{tmp}/b.yaml"], [file, "of the brand 'Acme'", *says], make)


def logo_folder(file: str, content: bytes, *says: str) -> Case:
    """A profile whose folder of logos holds this file."""

    def make(folder: Path) -> None:
        (folder / "profiles").mkdir()
        (folder / "profiles" / "p.yaml").write_text("logos: logos\n")
        (folder / "profiles" / "logos" / file).parent.mkdir(parents=True)
        (folder / "profiles" / "logos" / file).write_bytes(content)

    return Case(["run", "{clip}", "--profile", "p"], list(says), make, {"MPR_PROFILES_DIR": "{tmp}/profiles"})


def storage(url: str, *says: str, make: Callable[[Path], object] = lambda _folder: None, **environ: str) -> Case:
    return Case(["timeline", "create", "{clip}"], list(says), make, {"MPR_STORAGE_URL": url, **environ})


def dagster(home: str, *says: str, make: Callable[[Path], object] = lambda _folder: None) -> Case:
    return Case(["timeline", "list"], ["Dagster's folder", *says], make, {"DAGSTER_HOME": home})


def picture_clip(path: Path, width_px: int, height_px: int) -> Path:
    return write_clip(path, [flat(width_px, height_px)] * 3, codec="ffv1", pix_fmt="bgr0")


def a_file(path: Path) -> Path:
    return written(path, b"in the way")


def dagster_yaml(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: maybe}\nnonsense: 1\n")


def no_yaml(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: [}\n")


PNG, JPEG = encode_png(flat(40, 40)), encode_jpeg(flat(64, 64))

CASES: dict[str, Case] = {
    # the command itself
    "no video": Case(["run"], ["Missing argument 'VIDEO", "(see mpr --help)"]),
    "unknown option": Case(["run", "{clip}", "--chunks", "0-1"], ["No such option: --chunks", "--help"]),
    "unknown command": Case(["rnu"], ["No such command 'rnu'. Did you mean 'run'?"]),
    "an option without its value": Case(["run", "{clip}", "--name"], ["--name", "requires an argument"]),
    # videos
    "missing": video(lambda p: None, "does not exist; check the path."),
    "empty": video(lambda p: written(p, b""), "is empty (0 bytes); copy the file again."),
    "truncated mp4": video(lambda p: cut(write_clip(p, noisy(20))), "cut off; copy it again"),
    "truncated mkv": video(lambda p: cut(write_clip(p, noisy(50))), "is cut off or damaged after", name="a.mkv"),
    "text": video(lambda p: written(p, b"hello\n" * 100), "cannot be opened as video", "convert it to MP4."),
    "random bytes": video(
        lambda p: written(p, np.random.default_rng(0).bytes(5000)), "cannot be opened as video", "convert it to MP4."
    ),
    "a picture": video(lambda p: written(p, JPEG), "is a picture or a text", "name a video file.", name="a.jpg"),
    "audio only": video(audio, "holds only sound; name a file that holds video.", name="a.wav"),
    "zero frames": video(no_frames, "has a video track without frames", "export it again.", name="a.mkv"),
    "1x1": video(
        lambda p: picture_clip(p, 1, 1), "is 1x1 pixels at 00:00:00.000; use video between 16 and 16384", name="a.mkv"
    ),
    "a folder": video(lambda p: p.mkdir(), "is a folder; name one video file in it."),
    "a device": video(lambda p: p.symlink_to("/dev/null"), "is not a regular file", "first."),
    "a name too long": video(lambda p: None, "cannot be read", "check the path.", name="a" * 300),
    "a path that is not UTF-8": Case(
        ["run", "{tmp}/caf\udce9.mp4"], [r"caf\udce9.mp4' is not UTF-8; rename the file."]
    ),
    "an address without a host": Case(["run", "http://"], ["http:// is no address (", "it looks like https://"]),
    "an address with spaces": Case(
        ["run", "https://a b/c?key=1"], ["https://a b/c?key=~", " is no address (", "it looks like"]
    ),
    "an address of another kind": Case(
        ["run", "ftp://a/b.mp4"], ["MPR cannot read addresses like ftp://a/b.mp4; give a path"]
    ),
    "the second of two missing": Case(["run", "{clip}", "{tmp}/no.mp4"], ["no.mp4 does not exist"]),
    # chunks
    "chunk past the end": chunk("0-3", says=["Chunk 0", "reaches past the end of the source; the source lasts"]),
    "chunk after the end": chunk("100-120", says=["starts after the source ends", "so start it earlier."]),
    "chunk reversed": chunk("2-1", says=["The chunk '2-1' ends at or before its start; put the earlier time first."]),
    "chunk of no length": chunk("1-1", says=["ends at or before its start"]),
    "chunk rubbish": chunk("soon", says=["The chunk 'soon' is not a span of time; write it as START-END"]),
    "chunk empty": chunk("", says=["The chunk '' is not a span of time"]),
    "chunk negative": chunk("-5-3", says=["The chunk '-5-3' is not a span of time"]),
    "chunk with 61 seconds": chunk("0:61-2:00", says=["is not a span of time"]),
    "chunk open at its end": chunk("1-", says=["is not a span of time"]),
    "the second chunk bad": chunk("0-1", "5-6", says=["Chunk 1", "starts after the source ends"]),
    "chunk of no video of two": chunk("0-1", says=["does not say which of the 2 videos"], videos=2),
    "chunk of a third video": chunk("3:0-1", says=["which of the 2 videos it belongs to; write N:START"], videos=2),
    "chunk of video 0": chunk("0:0-1", says=["does not say which of the 2 videos"], videos=2),
    "chunk of video ²": chunk("²:0-1", says=["does not say which of the 2 videos"], videos=2),
    # profiles
    "unknown profile": Case(
        ["run", "{clip}", "--profile", "socer"], ["no profile 'socer' in", "choose one of board, generic."]
    ),
    "a path as profile": Case(["run", "{clip}", "--profile", "../board"], ["There is no profile '../board'"]),
    "no profiles at all": Case(
        ["run", "{clip}"],
        ["There is no profile in", "set MPR_PROFILES_DIR to a folder of profiles."],
        environ={"MPR_PROFILES_DIR": "{tmp}/none"},
    ),
    "a list of no profiles": Case(
        ["profile", "list"],
        ["There is no profile in", "set MPR_PROFILES_DIR to a folder of profiles."],
        environ={"MPR_PROFILES_DIR": "{tmp}/none"},
    ),
    "profile value out of range": profile(
        "extract_frames: {fps: 900}", "extract_frames.fps is 900", "give more than 0 and at most 60."
    ),
    "profile value of another type": profile("extract_frames: {fps: fast}", "extract_frames.fps", "give a number"),
    "profile key misspelt": profile("run_ocr: {enabeld: true}", "unknown key `enabeld`", "did you mean `enabled`?"),
    "profile section misspelt": profile("run_ocrs: {}", "unknown key `run_ocrs`", "did you mean `run_ocr`?"),
    "profile key twice": profile("description: a\ndescription: b", "line 2", "is already on line 1; remove one"),
    "profile not YAML": profile("run_ocr: [", "bad.yaml, line", "this is not YAML", "check the indentation"),
    "profile not UTF-8": profile("description: caf\xe9", "is not a text file in UTF-8; save it as plain UTF-8 text."),
    "profile a list": profile("- run_ocr", "holds a list at its top level; it needs keys there"),
    "profile enables escalate_vlm": profile("escalate_vlm: {enabled: true}", "enabled needs a model; set model to"),
    "profile names a cloud model badly": profile("escalate_cloud: {models: [gpt]}", "'gpt' is not a model; write"),
    "profile without timeline": profile("timeline: {enabled: false}", "timeline.enabled is false", "give"),
    "profile names no brand file": profile("brands: nowhere.yaml", "nowhere.yaml does not exist; check the path."),
    "profile names no logos": profile("logos: nowhere", "nowhere is not a folder; create it"),
    "show an unknown profile": Case(["profile", "show", "x"], ["There is no profile 'x'"]),
    "validate a bad brand file": Case(
        ["profile", "validate", "p"],
        ["b.yaml", "brands[0]: 5 is no text; put it in quotes"],
        lambda f: (written(f / "p.yaml", b"brands: b.yaml"), written(f / "b.yaml", b"brands: [5]")),
        {"MPR_PROFILES_DIR": "{tmp}"},
    ),
    "duplicate onto another": Case(
        ["profile", "duplicate", "board", "board"], ["There is already a profile 'board'", "choose another name."]
    ),
    "duplicate to a path": Case(["profile", "duplicate", "board", "../x"], ["'../x' holds '.', '/'"]),
    "duplicate to a name too long": Case(["profile", "duplicate", "board", "x" * 300], ["has 300 characters"]),
    # names of timelines
    "name with a slash": name("a/b", "'a/b' holds '/'", "for example 'a-b'."),
    "name of dots": name("..", "'..' holds '.'", "for example 'match-1'."),
    "name with a control character": name("a\x1b[31m", r"'a\x1b[31m' holds '\x1b', '['", "use letters"),
    "name with a line break": name("a\nb", r"'a\nb' holds '\n'", "use letters"),
    "name empty": name("", "'' is empty; use letters"),
    "name too long": name("a" * 101, "has 101 characters; use at most 100."),
    "name too long as bytes": name("界" * 80, "takes more than 200 bytes; use a shorter one."),
    "name beginning with a dash": name("-x", "does not begin with a letter or digit"),
    "name with a space": name("a b", "holds ' '", "for example 'a-b'."),
    "name not UTF-8": name("caf\udce9", "use letters"),
    # brand files
    "brand file missing": Case(["run", "{clip}", "--brands", "{tmp}/no.yaml"], ["no.yaml does not exist; check"]),
    "brand file a folder": Case(["run", "{clip}", "--brands", "{tmp}"], ["is a folder; name a YAML file in it."]),
    "brand file a pipe": Case(
        ["run", "{clip}", "--brands", "{tmp}/b.yaml"],
        ["b.yaml is not a regular file; save the YAML to a file first."],
        lambda folder: os.mkfifo(folder / "b.yaml"),
    ),
    "brand file empty": brands("", "b.yaml is empty; it needs at least `brands`."),
    "brand file not YAML": brands("brands: {", "this is not YAML"),
    "brand twice": brands(BRANDS + "- Acme\n- ACME", "'ACME'", "is the same as 'Acme'", "leave it with one of them."),
    "alias of two brands": brands(
        BRANDS + "- {name: A1, aliases: [Fly]}\n- {name: B2, aliases: [fly]}", "'fly'", "leave it with one of them."
    ),
    "alias twice in a brand": brands(BRANDS + "- {name: A1, aliases: [Fly, fly]}", "is listed twice", "remove one"),
    "brand without a name": brands(BRANDS + "- aliases: [x]", "brands[0] has no `name`; add it."),
    "brand with an empty name": brands(BRANDS + "- ' '", "the name of brands[0] is empty; write the text"),
    "brand without letters": brands(BRANDS + "- '***'", "has no letter or digit; give it one."),
    "brand with an unknown key": brands(BRANDS + "- {name: A, alias: [x]}", "unknown key `alias`", "`aliases`?"),
    "brand a number": brands(BRANDS + "- 7", "brands[0]: 7 is no text; put it in quotes"),
    "brand excludes itself": brands(BRANDS + "- {name: A1, exclude: [a1]}", "'a1' is listed twice", "remove one"),
    # logos
    "logo missing": logo("l.png", None, "does not exist; correct the path"),
    "logo not a picture": logo("l.png", b"hello", "cannot be decoded; it is empty, damaged or not what"),
    "logo empty": logo("l.jpg", b"", "cannot be decoded; it is empty"),
    "logo cut off": logo("l.png", PNG[:40], "cannot be decoded"),
    "logo a corrupt SVG": logo(
        "l.svg", SVG.encode(), "cannot be used: ", "give another PNG, JPEG, WebP or SVG picture"
    ),
    "logo of another kind": logo("l.gif", b"GIF89a", "is not a PNG, JPEG, WebP or SVG file; convert it."),
    "logo a folder": Case(
        ["run", "{clip}", "--brands", "{tmp}/b.yaml"],
        ["l.png", "of the brand 'Acme'", "is not a regular file; name a picture file."],
        lambda folder: (
            (folder / "l.png").mkdir(),
            written(folder / "b.yaml", b"brands: [{name: Acme, logos: [l.png]}]"),
        ),
    ),
    "logo in the profile's folder corrupt": logo_folder("Acme/l.png", b"hello", "l.png", "cannot be decoded"),
    "logo in no brand's folder": logo_folder("l.png", PNG, "l.png is in no brand's folder; move it to"),
    # where things are kept
    "storage by ftp": storage("ftp://host/x", "starts with ftp://; set MPR_STORAGE_URL to a folder"),
    "storage where a file is": storage("{tmp}/f/x", "cannot be made", "set", make=lambda f: a_file(f / "f")),
    "storage a file": storage("{tmp}/f", "cannot be made", "set MPR_STORAGE_URL", make=lambda f: a_file(f / "f")),
    "storage below a device": storage("/dev/null/x", "cannot be made", "set MPR_STORAGE_URL to a writable one."),
    "storage on another host": storage("file://data/mpr", "names the host 'data'", "like file:///data/mpr."),
    "storage of an unknown user": storage("~nobody-here/x", "cannot be made", "set MPR_STORAGE_URL"),
    "storage without a bucket": storage("s3://", "names no bucket; write s3://bucket/prefix."),
    "storage at no endpoint": storage("s3://b", "'minio' is not a URL; set", S3_ENDPOINT_URL="minio"),
    "Dagster's folder a file": dagster(
        "{tmp}/f", "set DAGSTER_HOME to a writable folder", make=lambda f: a_file(f / "f")
    ),
    "Dagster's folder below a device": dagster("/dev/null/x", "set DAGSTER_HOME to a writable folder"),
    "Dagster's settings bad": dagster("{tmp}/home", "valid dagster.yaml", make=dagster_yaml),
    "Dagster's settings no YAML": Case(
        ["timeline", "list"],
        ["home/dagster.yaml, line 1, column 23: this is not YAML", "check the indentation, colons and quotes there."],
        no_yaml,
        {"DAGSTER_HOME": "{tmp}/home"},
    ),
    # timelines that are there or not
    "report of an unknown timeline": Case(["report", "ghost"], ["'ghost' is not registered in", "mpr timeline create"]),
    "report of a path": Case(["report", "../match"], ["The timeline name '../match' holds"]),
    "export of an unknown timeline": Case(["export", "ghost", "--format", "csv"], ["'ghost' is not registered in"]),
    "export in an unknown format": Case(
        ["export", "match", "--format", "csv", "--format", "doc"],
        ["'doc' is no format of export; choose from csv, json, xlsx"],
    ),
    "export into a file": Case(
        ["export", "match", "--format", "csv", "--to", "{tmp}/f"],
        ["The folder", "/f' cannot be written (File exists); name another one with --to."],
        lambda folder: a_file(folder / "f"),
    ),
    "export below a device": Case(
        ["export", "match", "--format", "csv", "--to", "/dev/null/x"],
        ["The folder '/dev/null/x' cannot be written (Not a directory); name another one with --to."],
    ),
    "show an unknown timeline": Case(["timeline", "show", "ghost"], ["'ghost' is not registered in"]),
    "the name of another timeline": Case(
        ["run", "{clip}", "--name", "match", "--profile", "board", "--chunk", "0-1"],
        ["'match' is already registered with other chunks", "give another --name, or --replace"],
    ),
    # inference hosts
    "inference host rubbish": Case(
        ["run", "{clip}"], ["`gpu host`", "it looks like"], environ={"INFERENCE_URL": "gpu host"}
    ),
    "inference host of two bad": Case(
        ["run", "{clip}"], ["`ftp://b` in INFERENCE_URL"], environ={"INFERENCE_URL": "http://a:1,ftp://b"}
    ),
    "inference token rubbish": Case(
        ["run", "{clip}"],
        ["INFERENCE_TOKEN has characters", "use letters and digits."],
        environ={"INFERENCE_URL": "http://a:1", "INFERENCE_TOKEN": "a\nb"},
    ),
}


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Mpr = Callable[..., Said]


@pytest.fixture(scope="module")
def kept(finished: tuple[World, Ran], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the storage of a finished timeline and Dagster's folder. No bad input may change the storage."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copytree(finished[0].storage_folder, folder / "storage")
    return folder


@pytest.fixture
def mpr(inputs: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Mpr]:
    """Runs the command line in this process."""
    base = {
        "MPR_STORAGE_URL": str(kept / "storage"),
        "DAGSTER_HOME": str(kept / "dagster"),
        "MPR_PROFILES_DIR": str(inputs / "profiles"),
    }
    for variable in ("INFERENCE_URL", "INFERENCE_TOKEN", "S3_ENDPOINT_URL", "SKIP_VLM", "SKIP_CLOUD"):
        monkeypatch.delenv(variable, raising=False)

    def run(*argv: str, **environ: str) -> Said:
        for variable, value in (base | environ).items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(sys, "argv", ["mpr", *argv])
        with pytest.raises(SystemExit) as end:
            app.main()
        captured = capsys.readouterr()
        return Said(int(end.value.code or 0), captured.out, captured.err)

    return run


def assert_one_sentence(said: Said, parts: list[str]) -> None:
    assert "Traceback" not in said.err
    assert said.err.startswith("mpr: ")
    line = said.err.removesuffix("\n")
    assert line.isprintable(), "it is one line, and nothing in it controls the terminal"
    assert len(re.findall(r"[.?!] (?=[A-Z])", line)) <= 1, f"one sentence, or two: {line}"
    at = 0
    for part in parts:
        at = line.find(part, at)
        assert at >= 0, f"{part!r} is not where it should be in: {line}"


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_a_sentence(name: str, mpr: Mpr, inputs: Path, kept: Path, tmp_path: Path) -> None:
    case = CASES[name]
    case.make(tmp_path)
    stands_for = {"clip": str(inputs / "clip.mp4"), "tmp": str(tmp_path)}
    before, beside, profiles = listing(kept / "storage"), listing(tmp_path), listing(inputs / "profiles")
    said = mpr(
        *(word.format(**stands_for) for word in case.argv),
        **{variable: value.format(**stands_for) for variable, value in case.environ.items()},
    )
    assert said.status == case.status
    assert said.out == ""
    assert_one_sentence(said, case.says)
    assert listing(kept / "storage") == before
    assert listing(tmp_path) == beside
    assert listing(inputs / "profiles") == profiles


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 40


@contextmanager
def as_an_ordinary_user() -> Iterator[None]:
    """Root may read everything; this thread lays that right down, and processes that it starts do not get it back."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    fence.end_idle()
    set_securebits, noroot = 28, 1
    assert libc.prctl(set_securebits, noroot, 0, 0, 0) == 0
    header, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, rights) == 0
    effective, dac_override, dac_read_search = rights[0], 1 << 1, 1 << 2
    rights[0] = effective & ~(dac_override | dac_read_search)
    assert libc.capset(header, rights) == 0
    try:
        yield
    finally:
        rights[0] = effective
        assert libc.capset(header, rights) == 0
        assert libc.prctl(set_securebits, 0, 0, 0, 0) == 0
        fence.end_idle()


@pytest.mark.parametrize("what", ["video", "brands", "profile"])
def test_what_may_not_be_read_is_named(what: str, mpr: Mpr, inputs: Path, kept: Path, tmp_path: Path) -> None:
    files = {"video": tmp_path / "clip.mp4", "brands": tmp_path / "brands.yaml", "profile": tmp_path / "generic.yaml"}
    for file, original in zip(files.values(), ("clip.mp4", "brands.yaml", "profiles/generic.yaml"), strict=True):
        shutil.copy(inputs / original, file)
    files[what].chmod(0)
    before = listing(kept / "storage")
    with as_an_ordinary_user():
        said = mpr("run", str(files["video"]), "--brands", str(files["brands"]), MPR_PROFILES_DIR=str(tmp_path))
    assert said.status == app.UNUSABLE
    assert_one_sentence(said, [files[what].name, "ermission"])
    assert listing(kept / "storage") == before


def test_a_storage_that_stops_working_fails_the_stage_after_some_tries(
    mpr: Mpr, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_failure, "RETRIES", dg.RetryPolicy(step_failure.RETRIES.max_retries))
    (tmp_path / "stages").write_text("a file where a folder should be")
    said = mpr("run", str(inputs / "clip.mp4"), MPR_STORAGE_URL=str(tmp_path), DAGSTER_HOME=str(tmp_path / "home"))
    assert said.status == app.FAILED
    assert "Traceback" not in said.err
    assert f"mpr: timeline failed: The storage did not read {tmp_path}/stages/timeline/clip.parquet (" in said.err
    assert "run the same command again to continue." in said.err


def test_a_bug_in_a_stage_is_one_line_too(
    mpr: Mpr, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise KeyError("shot")

    monkeypatch.setattr("mpr_assets.stages.timeline.timeline_ms", broken)
    said = mpr("run", str(inputs / "clip.mp4"), MPR_STORAGE_URL=str(tmp_path / "storage"))
    assert said.status == app.FAILED
    assert "Traceback" not in said.err
    assert "mpr: timeline failed unexpectedly: KeyError: 'shot'. See the run's log" in said.err
    assert not (tmp_path / "storage" / "stages").exists()


@pytest.mark.parametrize(
    ("where", "interrupt"),
    [
        ("mpr_cli.new_timeline.timeline_spec", KeyboardInterrupt),
        ("mpr_cli.materialize.run_here", dg.DagsterExecutionInterruptedError),
        # As Dagster sets up what stages share: the run fails, and no stage of it.
        ("mpr_resources.storage.io_manager.StorageResource.setup_for_execution", dg.DagsterExecutionInterruptedError),
    ],
)
def test_an_interrupted_run_says_so(
    where: str, interrupt: type[BaseException], mpr: Mpr, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise interrupt

    monkeypatch.setattr(where, interrupted)
    said = mpr("run", str(inputs / "clip.mp4"))
    assert said.status == app.INTERRUPTED
    assert_one_sentence(said, ["interrupted", "run the same command again"])


BROKEN = {
    "its spec": (Keys.spec("match"), ["timelines/match.json does not describe a timeline", "--replace"]),
    "its exposures": (Keys.table("compile_report", "match"), ["is not a table that this version", "delete it"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_stored_object_that_is_broken_is_named(name: str, mpr: Mpr, kept: Path, tmp_path: Path) -> None:
    key, says = BROKEN[name]
    shutil.copytree(kept / "storage", tmp_path / "storage")
    (tmp_path / "storage" / key).write_bytes(b"{}")
    said = mpr("report", "match", MPR_STORAGE_URL=str(tmp_path / "storage"))
    assert said.status == app.UNUSABLE
    assert_one_sentence(said, says)


def test_an_8k_video_is_taken_and_shrunk(empty_world: World, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "8k.mp4", [flat(7680, 4320)] * 2, options={"preset": "ultrafast"})
    (chunk_of_it,) = empty_world.spec().chunks
    spec = empty_world.spec().model_copy(update={"chunks": (chunk_of_it.model_copy(update={"source": str(clip)}),)})
    empty_world.storage.put(Keys.spec(spec.name), spec.model_dump_json().encode())
    assert empty_world.run("timeline", "extract_frames").failures() == {}
    assert empty_world.table("timeline").rows.select("width_px", "height_px").rows() == [(7680, 4320)]
    assert empty_world.table("extract_frames").rows.select("width_px", "height_px").rows() == [(3840, 2160)]


SUBPROCESS = {
    "missing video": (
        ["run", "no.mp4", "--profile", "generic"],
        2,
        r"mpr: .*no\.mp4 does not exist; check the path\.\n",
    ),
    "unknown option": (["run", "--fast"], 2, r"mpr: No such option: --fast.*\n"),
}


@pytest.mark.parametrize("name", SUBPROCESS)
def test_the_installed_command_does_the_same(name: str, tmp_path: Path) -> None:
    argv, status, says = SUBPROCESS[name]
    environ = os.environ | {"MPR_STORAGE_URL": str(tmp_path / "storage"), "DAGSTER_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", "from mpr_cli.app import main; main()", *argv]
    ran = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert re.fullmatch(says, ran.stderr)
    assert list(tmp_path.iterdir()) == []
