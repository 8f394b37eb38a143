"""Logging in and out, for pages: a cookie in the place of the token; and whether the server answers."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gpu_service.distribution import VERSION
from mpr_api.access.guard import COOKIE, COOKIE_S, cookie_value, role_of, role_of_token
from mpr_api.access.refusals import Refused
from mpr_api.world.backend import Shared

router = APIRouter(tags=["session"])


class Login(BaseModel):
    token: str = Field(max_length=1000, description="MPR_API_TOKEN or MPR_API_READ_TOKEN of the server")


class Session(BaseModel):
    """What the one who asks may do."""

    role: Literal["write", "read"] | None = Field(description="null: log in first")
    login_required: bool = Field(description="false: the server has no token, and answers to this machine alone")
    version: str = Field(description="of MPR", examples=["0.9.0"])


@router.post("/login")
def login(body: Login, request: Request, response: Response, backend: Shared) -> Session:
    """Set the cookie of a login. Pages cannot send a token with events and pictures."""
    config = backend.config
    role = role_of_token(config, body.token) if config.token else "write"
    if role is None:
        raise Refused(401, "This is not the server's token", "use MPR_API_TOKEN as the server was started with it")
    if config.token:
        response.set_cookie(
            COOKIE,
            cookie_value(config, role, time.time()),
            max_age=COOKIE_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return Session(role=role, login_required=bool(config.token), version=VERSION)


@router.post("/logout", status_code=204)
def logout(response: Response) -> None:
    """Delete the cookie."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


@router.get("/session")
def session(request: Request, backend: Shared) -> Session:
    """What the one who asks may do; open to all."""
    config = backend.config
    return Session(role=role_of(config, request), login_required=bool(config.token), version=VERSION)
