"""The command `doctor`: whether all that MPR needs is there, one line each."""

from __future__ import annotations

import os
import platform
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata, util
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import httpx2
import typer
from rich.text import Text

from gpu_service.distribution import DISTRIBUTION, VERSION, install_command
from gpu_service.errors import BadInput, MprError, PermanentError
from gpu_service.masking import masked
from mpr_cli import terminal
from mpr_cli.document import Document
from mpr_cli.exit_status import FAILED
from mpr_resources.environment import dagster_home, database_url, profiles_path, s3_endpoint_url, storage_url
from mpr_resources.names import visible

app = typer.Typer()

LEAST_FREE_BYTES = 2_000_000_000
"""An hour of video takes about as much."""
MOST_OFF_S = 60.0
"""Two clocks that differ by more put runs, ages and signatures of S3 in a wrong order."""
CODECS = ("h264", "hevc", "vp9", "av1", "mpeg2video", "prores")
HOST_S = 5.0
WEB = "correct MPR_STORAGE_WEB_URL, or the server there; see docs/team-installation.md"
PROBE = "doctor"
"""The folder of the storage in which an object is written, read and deleted."""

Check: TypeAlias = Callable[[], str]
"""Says what is there. Raises MprError with what is wrong and what to do."""


@dataclass(frozen=True)
class Finding:
    """A check and what came of it."""

    check: str
    ok: bool
    detail: str

    def show(self) -> None:
        word = ("ok   ", "green") if self.ok else ("wrong", "red")
        terminal.out.print(Text.assemble(word, f" {self.check:10} ", visible(self.detail)))


@dataclass(frozen=True)
class Findings(Document):
    checks: list[Finding]

    def show(self) -> None:
        """Each was printed when it was found."""

    @property
    def exit_status(self) -> int:
        return 0 if all(one.ok for one in self.checks) else FAILED


@app.command()
def doctor() -> Findings:
    """Check Python, packages, storage, database, hosts, models, disk and clock; status 1 if something is wrong."""
    findings = []
    for name, check in CHECKS.items():
        findings.append(found(name, check))
        findings[-1].show()
    return Findings(findings)


def found(name: str, check: Check) -> Finding:
    """What a check came to, whatever it raised."""
    try:
        return Finding(name, True, masked(check()))
    except MprError as error:
        return Finding(name, False, str(error))
    except Exception as error:  # what is wrong here is what the command is asked for
        return Finding(name, False, masked(f"{type(error).__name__}: {error}".partition("\n")[0]))


def python() -> str:
    """The interpreter."""
    needs = metadata.metadata(distribution())["Requires-Python"]
    from packaging.specifiers import SpecifierSet

    if platform.python_version() not in SpecifierSet(needs):
        raise PermanentError(f"Python {platform.python_version()} does not satisfy {needs}", "install another")
    return f"{platform.python_implementation()} {platform.python_version()} on {platform.platform(terse=True)}"


def packages() -> str:
    """MPR's version, and those of what it depends on, as far as they do not fit."""
    from packaging.requirements import Requirement

    name = distribution()
    wrong = []
    needed = [Requirement(text) for text in metadata.requires(name) or []]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in needed:
        try:
            has = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(has, prereleases=True):
            wrong.append(f"{one.name} is {has}, not {one.specifier}")
    if wrong:
        raise PermanentError("; ".join(wrong), f"run: {install_command('graph')}")
    return f"{name} {metadata.version(name)}, dagster {metadata.version('dagster')}, {len(needed)} packages fit"


def distribution() -> str:
    """What MPR is called where packages are installed."""
    names = metadata.packages_distributions().get("mpr_cli")
    if names is None:
        raise PermanentError("MPR runs from its source files and is not installed", f"run: {install_command('graph')}")
    return DISTRIBUTION if DISTRIBUTION in names else names[0]


def opencv() -> str:
    """That it can be loaded: rapidocr asks pip for the build that needs the libraries of a display."""
    try:
        import cv2
    except ImportError as error:
        raise PermanentError(
            f"OpenCV cannot be loaded ({error})",
            "on a machine without a display run: pip install --force-reinstall --no-deps opencv-python-headless",
        ) from error
    return f"OpenCV {cv2.__version__}"


def ffmpeg() -> str:
    """The FFmpeg that PyAV carries."""
    import av

    missing = [name for name in CODECS if name not in av.codecs_available]
    if missing:
        raise PermanentError(f"PyAV's FFmpeg decodes no {', '.join(missing)}", "install PyAV's own wheel")
    return f"FFmpeg {av.ffmpeg_version_info} in PyAV {av.__version__}, decodes {', '.join(CODECS)}"


def engines() -> str:
    """The engine of OCR in this process, where no host has one."""
    if os.environ.get("INFERENCE_URL"):
        return "on the inference hosts"
    missing = [name for name in ("rapidocr", "onnxruntime") if util.find_spec(name) is None]
    if missing:
        raise PermanentError(f"{', '.join(missing)} is not installed", "pip install it, or set INFERENCE_URL")
    from gpu_service.models import parse_files

    models = parse_files(os.environ.get("INFERENCE_MODELS", ""))
    gone = [f"{name} ({path})" for name, path in models.items() if ":" not in path and not Path(path).exists()]
    if gone:
        raise BadInput(f"INFERENCE_MODELS names what is not there: {', '.join(gone)}", "correct the paths")
    named = f", and {', '.join(models)}" if models else ""
    return f"PP-OCR in rapidocr {metadata.version('rapidocr')}{named}"


def profiles() -> str:
    """Every profile with its brand file and logos."""
    from mpr_assets.runs.local_instance import profiles as opened

    folder, wrong = opened(), []
    for name in folder.names():
        try:
            folder.references(folder.load(name))
        except MprError as error:
            wrong.append(str(error))
    if wrong:
        raise BadInput(" ".join(wrong))
    return f"{', '.join(folder.names())} in {profiles_path(os.environ)}"


def storage() -> str:
    """An object is written, read, on the web too, and deleted."""
    from mpr_assets.runs.local_storage import storage as opened

    store = opened()
    key, content = f"{PROBE}/{uuid.uuid4().hex}", os.urandom(1000)
    began_s = time.monotonic()
    store.put(key, content)
    try:
        if store.get(key) != content:
            raise PermanentError(f"{store.url} gives other bytes than were written", "check the store")
        off_s = abs(store.entry(key).modified_s - time.time())
        on_web = _on_web(store.web(key), content)
    finally:
        store.delete([key])
    if off_s > MOST_OFF_S:
        raise PermanentError(f"The clock of {store.url} differs by {off_s:.0f} s", "set both by NTP")
    return f"{store.url} written, read and deleted in {time.monotonic() - began_s:.2f} s{on_web}"


def _on_web(link: str | None, content: bytes) -> str:
    """Whether a web server hands out the object, as far as it does so without a login."""
    if link is None:
        return ""
    try:
        answer = httpx2.get(link, timeout=HOST_S)
    except httpx2.HTTPError as error:
        raise PermanentError(f"{link} does not answer ({error or type(error).__name__})", WEB) from error
    if answer.status_code in (301, 302, 303, 307, 308, 401, 403):
        return f"; {link} answers {answer.status_code}, perhaps for want of a login"
    if answer.content != content:
        raise PermanentError(f"{link} answers {answer.status_code} and not the object that was written", WEB)
    return "; MPR_STORAGE_WEB_URL hands it out"


def media() -> str:
    """Where new media come."""
    from mpr_resources.storage.store import Storage

    url = os.environ.get("MPR_MEDIA_URL", "")
    if not url:
        return "MPR_MEDIA_URL is not set; no folder is watched"
    if "://" not in url and not Path(url).is_dir():
        raise BadInput(f"MPR_MEDIA_URL names {url}, which is no folder", "create it, or correct the path")
    entries, passed_over = Storage.open(url, s3_endpoint_url=s3_endpoint_url(os.environ)).readable_entries()
    return f"{len(entries)} files in {url}" + (f", {len(passed_over)} that cannot be read" if passed_over else "")


def dagster() -> str:
    """Runs and their history."""
    from mpr_assets.runs.local_instance import dagster_instance
    from mpr_assets.timelines.partitions import registered
    from mpr_resources.run_queue import can_hold

    with dagster_instance() as instance:
        holds = "" if can_hold(instance) else "; its queue knows no holds, so mpr pause cannot be used"
        return f"{len(registered(instance))} timelines in {os.environ['DAGSTER_HOME']}{holds}"


def database() -> str:
    """The registry of brands, budgets and costs."""
    from mpr_resources.brands.registry import Registry

    registry = Registry(database_url(os.environ))
    where = registry.database.where
    if registry.database.absent:
        return f"{where} will be made when it is first needed"
    return f"{len(registry.entries())} brands in {where}"


def hosts() -> str:
    """The inference hosts: that they answer, are ready, take the token and have the same version."""
    urls = [url.strip().rstrip("/") for url in os.environ.get("INFERENCE_URL", "").split(",") if url.strip()]
    if not urls:
        return "INFERENCE_URL is not set; everything is computed in this process"
    token = os.environ.get("INFERENCE_TOKEN", "")
    said: list[str] = []
    wrong: list[str] = []
    with httpx2.Client(timeout=HOST_S, headers={"Authorization": f"Bearer {token}"} if token else {}) as http:
        for url in urls:
            try:
                wrong += [f"{url} {trouble}" for trouble in _of_host(http, url, VERSION, said)]
            except httpx2.HTTPError as error:
                wrong.append(f"{url} does not answer ({error or type(error).__name__})")
    if wrong:
        raise PermanentError("; ".join(wrong), "see docs/gpu-host.md")
    return "; ".join(said)


def _of_host(http: httpx2.Client, url: str, version: str, said: list[str]) -> Iterator[str]:
    """What is wrong with a host; what it holds is put into `said`."""
    health = http.get(f"{url}/health")
    state = health.json()
    for name, reason in state.get("failed", {}).items():
        yield f"could not load {name}: {reason}"
    if state.get("loading"):
        yield f"is still loading {', '.join(state['loading'])}"
    if "date" in health.headers:
        off_s = abs((parsedate_to_datetime(health.headers["date"]) - datetime.now(UTC)).total_seconds())
        if off_s > MOST_OFF_S:
            yield f"has a clock that differs by {off_s:.0f} s"
    answered = http.get(f"{url}/info")
    if answered.status_code == 401:
        yield "refuses INFERENCE_TOKEN"
        return
    info = answered.raise_for_status().json()
    if info["version"] != version:
        yield f"has version {info['version']}, not {version}"
    models = ", ".join(sorted({model["identity"] for model in info["models"]})) or "no model loaded yet"
    said.append(f"{url}: version {info['version']}, {', '.join(info['devices'])}, {models}")


def disk() -> str:
    """Room where results and runs are kept."""
    url = storage_url(os.environ)
    folders = {"DAGSTER_HOME": dagster_home(os.environ)}
    if not url.startswith("s3://"):
        folders = {"storage": Path(unquote(urlsplit(url).path) if "://" in url else url).expanduser()} | folders
    free = {name: shutil.disk_usage(_existing(folder)).free for name, folder in folders.items()}
    told = ", ".join(f"{size / 1e9:.1f} GB free for {name}" for name, size in free.items())
    if min(free.values()) < LEAST_FREE_BYTES:
        raise PermanentError(told, "make room: mpr cache clear --larger-than 10GB")
    return told


def _existing(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def clock() -> str:
    """The clock of this machine, as far as it can be told: no earlier than the newest file of MPR itself."""
    newest_s = max(path.stat().st_mtime for path in Path(__file__).parent.glob("*.py"))
    now = datetime.now().astimezone()
    if time.time() < newest_s - MOST_OFF_S:
        raise PermanentError(f"It is {now:%Y-%m-%d %H:%M:%S %Z} here, before MPR was installed", "set the clock")
    return f"{now:%Y-%m-%d %H:%M:%S %Z}"


CHECKS: dict[str, Check] = {
    "python": python,
    "versions": packages,
    "opencv": opencv,
    "ffmpeg": ffmpeg,
    "models": engines,
    "profiles": profiles,
    "storage": storage,
    "media": media,
    "dagster": dagster,
    "database": database,
    "inference": hosts,
    "disk": disk,
    "clock": clock,
}
"""In the order in which they are printed."""
