"""The registry of brands that all timelines share: listed, changed, and its reference pictures tried."""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from gpu_service.errors import BadInput, NotThere
from gpu_service.pictures import Picture, refuse_large
from gpu_service.routines.detect import LOGO_ENGINES
from gpu_service.routines.logos.logo_set import weak_references
from gpu_service.routines.reference_check import BrandOutcome, check_references
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.world.backend import Backend, Shared
from mpr_assets.engine.stage_run import FRAME_INDEX
from mpr_assets.stages.detect_objects import DetectObjectsSettings, routine_settings
from mpr_resources.brands.brand_file import Brand, check_names, reference_of
from mpr_resources.brands.registry import BrandOrigin, BrandRecord, Status
from mpr_resources.environment import user_name

router = APIRouter(prefix="/brands", tags=["brands"])

MOST_PICTURES = 20
SUFFIXES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"} | {
    ".svg": "image/svg+xml"
}
NameText = Annotated[str, Field(min_length=1, max_length=200)]
BrandName = Annotated[
    str, Query(alias="name", min_length=1, max_length=200, description="a name or an alias", examples=["Acme"])
]
FileName = Annotated[
    str, Query(alias="file", pattern=r"^[^/\\\x00-\x1f]{1,200}$", description="of the picture", examples=["acme.png"])
]
IMAGE = {200: {"content": {"image/*": {}}, "description": "the picture"}, 404: {"model": ErrorAnswer}}
ALONE = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
"""An SVG that somebody opens by itself runs nothing and loads nothing."""


class BrandAiring(BaseModel):
    timeline_id: str
    first_ms: int
    last_ms: int


class BrandAnswer(BaseModel):
    """A brand. `aliases`: those that somebody gave it; `listed`: those that only brand files have."""

    name: str
    status: Status
    source: BrandOrigin
    everywhere: bool = Field(description="whether it is looked for in every timeline once confirmed")
    aliases: list[str]
    listed: list[str]
    exclude: list[str]
    tags: list[str]
    pictures: list[str] = Field(description="names of its reference pictures: GET /brands/references?name=&file=")
    airings: list[BrandAiring]


class NewBrand(BaseModel):
    """A brand that is looked for in every timeline."""

    name: NameText = Field(examples=["Acme"])
    aliases: list[NameText] = Field([], max_length=200, description="other texts that mean it")
    exclude: list[NameText] = Field([], max_length=200, description="longer texts that do not mean it")
    source: BrandOrigin = BrandOrigin.MANUAL


class BrandNames(BaseModel):
    names: list[NameText] = Field(min_length=1, max_length=200)


class BrandTexts(BaseModel):
    name: NameText
    texts: list[NameText] = Field(min_length=1, max_length=200)


class BrandMerge(BaseModel):
    name: NameText
    into: NameText = Field(description="the brand that `name` becomes an alias of")


class ReferenceKept(BaseModel):
    """`weak`: what is wrong with the picture, in a sentence; null: nothing that can be seen of it."""

    brand: BrandAnswer
    weak: str | None


class BrandTestBody(BaseModel):
    """Which pictures a brand's references are tried on: frames of a timeline, others, or both."""

    name: NameText
    profile: str = Field("generic", max_length=200, description="the profile with the settings of detect_objects")
    timeline_id: str | None = Field(None, max_length=400)
    frames: list[Annotated[int, Field(ge=0, le=10**9)]] = Field([], max_length=MOST_PICTURES)
    pictures: dict[str, str] = Field({}, max_length=MOST_PICTURES, description="by name: PNG, JPEG or WebP in base64")


@router.get("")
def list_brands(
    backend: Shared, status: Annotated[Status | None, Query(description="of this status only")] = None
) -> list[BrandAnswer]:
    """The brands of the registry by name."""
    return [_answer(entry) for entry in backend.registry.entries(status)]


@router.get("/entry")
def show_brand(name: BrandName, backend: Shared) -> BrandAnswer:
    """One brand."""
    return _entry(backend, name)


@router.post("", status_code=201)
def add_brand(body: NewBrand, backend: Shared) -> BrandAnswer:
    """Add a brand. Timelines whose profile uses the registry are stale where they read text or look for logos."""
    brand = Brand(name=body.name, aliases=tuple(body.aliases), exclude=tuple(body.exclude))
    check_names([brand], "The request")
    backend.registry.add(BrandRecord(brand.name, brand.aliases, source=body.source, exclude=brand.exclude), user_name())
    return _entry(backend, brand.name)


@router.post("/confirm")
def confirm_brands(body: BrandNames, backend: Shared) -> list[BrandAnswer]:
    """Have brands looked for in every timeline."""
    for name in body.names:
        backend.registry.confirm(name, user_name())
    return [_entry(backend, name) for name in body.names]


@router.post("/exclude")
def exclude_brands(body: BrandNames, backend: Shared) -> list[BrandAnswer]:
    """Never report these names as brands; one that is not there is added."""
    backend.registry.exclude(body.names, user_name())
    return [_entry(backend, name) for name in body.names]


@router.post("/aliases")
def add_aliases(body: BrandTexts, backend: Shared) -> BrandAnswer:
    """Have texts mean a brand."""
    backend.registry.alias(body.name, body.texts, user_name())
    return _entry(backend, body.name)


@router.post("/aliases/remove")
def remove_aliases(body: BrandTexts, backend: Shared) -> BrandAnswer:
    """Have texts mean a brand no longer."""
    backend.registry.forget_alias(body.name, body.texts, user_name())
    return _entry(backend, body.name)


@router.post("/merge")
def merge_brands(body: BrandMerge, backend: Shared) -> BrandAnswer:
    """Make a brand an alias of another, which takes over its aliases, pictures and airings."""
    backend.registry.merge(body.name, body.into, user_name())
    return _entry(backend, body.into)


@router.get("/references", response_class=Response, responses=IMAGE)  # type: ignore[arg-type]
def brand_reference(name: BrandName, file: FileName, backend: Shared) -> Response:
    """A reference picture of a brand."""
    found = next((one for one in _record(backend, name).pictures if one.name == file), None)
    if found is None:
        raise NotThere(f"{name!r} has no reference picture {file!r}", "GET /detect/brands/entry lists them")
    return Response(found.encoded, media_type=SUFFIXES.get(_suffix(file), "application/octet-stream"), headers=ALONE)


@router.put(
    "/references",
    openapi_extra={"requestBody": {"required": True, "content": {kind: {} for kind in sorted({*SUFFIXES.values()})}}},
)
async def put_brand_reference(name: BrandName, file: FileName, request: Request, backend: Shared) -> ReferenceKept:
    """Give a brand a reference picture, by which its logo is found: the body is the PNG, JPEG, WebP or SVG file."""
    data = await request.body()
    return await run_in_threadpool(_keep_reference, backend, name, file, data)


@router.post("/test")
def try_references(body: BrandTestBody, backend: Shared) -> BrandOutcome:
    """Look for a brand in pictures by all its references, and by each alone: which of them work."""
    profiles = backend.resources.profiles
    chosen = profiles.load(body.profile)
    listed = profiles.brand_list(chosen).named(body.name)
    if listed is None:
        raise NotThere(f"{body.name!r} is no brand of the profile {body.profile}", "add it first")
    references = profiles.references(chosen)
    if not any(one.brand == listed.name for one in references):
        raise BadInput(f"{listed.name} has no reference picture", "PUT one to /detect/brands/references")
    settings = DetectObjectsSettings.model_validate(chosen.section("detect_objects").model_dump())
    engines = tuple(engine for engine in settings.engines if engine in LOGO_ENGINES)
    if not engines:
        raise BadInput(
            f"The profile {body.profile} does not look for logos by pictures", "add logo_match to its engines"
        )
    only_logos = routine_settings(settings.model_copy(update={"engines": engines}))
    return check_references(listed.name, references, _pictures(backend, body), only_logos, backend.resources.inference)


def _keep_reference(backend: Backend, name: str, file: str, data: bytes) -> ReferenceKept:
    suffix = _suffix(file)
    if suffix not in SUFFIXES:
        raise BadInput(f"{file!r} is not named as a PNG, JPEG, WebP or SVG file", "name it by what it is")
    brand = _record(backend, name)
    reference = reference_of(brand.name, data, file, f"The picture {file!r}", svg=suffix == ".svg")
    backend.registry.put(
        [BrandRecord(brand.name, status=brand.status, everywhere=False, pictures=(reference,))], user_name()
    )
    weak = next((one.sentence for one in weak_references([reference])), None)
    return ReferenceKept(brand=_entry(backend, name), weak=weak)


def _pictures(backend: Backend, body: BrandTestBody) -> dict[str, Picture]:
    found: dict[str, Picture] = {}
    if body.frames:
        if body.timeline_id is None:
            raise BadInput("`frames` is given without `timeline_id`", "give both")
        backend.spec(body.timeline_id)
        version = backend.table(FRAME_INDEX, body.timeline_id).header.fingerprint[:16]
        for seq in body.frames:
            found[f"frame {seq}"] = Picture(encoded=backend.frames.jpeg(body.timeline_id, version, seq, None))
    for name, text in body.pictures.items():
        try:
            data = base64.b64decode(text, validate=True)
            refuse_large(data)
        except (binascii.Error, ValueError, BadInput) as error:
            raise BadInput(f"The picture {name[:60]!r} cannot be used", "send a PNG, JPEG or WebP in base64") from error
        found[name] = Picture(encoded=data)
    if not found:
        raise BadInput("There is no picture to look at", "give `timeline_id` and `frames`, or `pictures`")
    return found


def _record(backend: Backend, name: str) -> BrandRecord:
    """The brand that a name or an alias means.

    Raises:
        NotThere: none is.
    """
    try:
        return backend.registry.entry(name)
    except BadInput as error:
        raise NotThere(error.what, error.remedy) from error


def _entry(backend: Backend, name: str) -> BrandAnswer:
    return _answer(_record(backend, name))


def _answer(entry: BrandRecord) -> BrandAnswer:
    return BrandAnswer(
        name=entry.name,
        status=entry.status,
        source=entry.source,
        everywhere=entry.everywhere,
        aliases=list(entry.aliases),
        listed=list(entry.listed),
        exclude=list(entry.exclude),
        tags=list(entry.tags),
        pictures=[picture.name for picture in entry.pictures],
        airings=[
            BrandAiring(timeline_id=timeline, first_ms=at.first_ms, last_ms=at.last_ms)
            for timeline, at in entry.airings.items()
        ],
    )


def _suffix(file: str) -> str:
    return PurePosixPath(file).suffix.lower()
