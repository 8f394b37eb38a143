"""The older live analyser's WebSocket, `/ws/stream/`: one socket, many subscriptions, for clients that speak it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from fastapi import APIRouter
from fastapi.websockets import WebSocket, WebSocketDisconnect

from gpu_service.errors import MprError
from mpr_api.world.live_feed import LOOK_S, LiveFeed
from mpr_api.world.old_live_messages import RECENT, analyses

router = APIRouter()

MOST_BYTES = 4096
MOST_SUBSCRIPTIONS = 32


@router.websocket("/ws/stream/")
async def old_stream(socket: WebSocket) -> None:
    """`ping`, `subscribe` and `unsubscribe` in; `pong`, `recent_analysis` and `analysis_update` out."""
    await socket.accept()
    feed: LiveFeed = socket.app.state.live_feed
    told: dict[str, asyncio.Task[None]] = {}
    try:
        while not feed.closing:
            received = await socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            text = received.get("text")  # or bytes
            try:
                message = json.loads(text) if text is not None and len(text) <= MOST_BYTES else None
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                await socket.send_json({"type": "error", "error": "The message is no JSON object."})
                continue
            stream = str(message.get("stream_id", ""))
            match message.get("type"):
                case "ping":
                    await socket.send_json({"type": "pong"})
                case "subscribe" if len(told) < MOST_SUBSCRIPTIONS or stream in told:
                    _end(told.pop(stream, None))
                    session_id = str(message.get("session_id") or stream)
                    told[stream] = asyncio.create_task(_tell(socket, feed, stream, session_id))
                case "unsubscribe":
                    _end(told.pop(stream, None))
                case _:
                    await socket.send_json({"type": "error", "error": "Send ping, subscribe or unsubscribe."})
    except WebSocketDisconnect:
        pass
    finally:
        for task in told.values():
            task.cancel()


def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()


async def _tell(socket: WebSocket, feed: LiveFeed, stream: str, session_id: str) -> None:
    """The last analyses of a session, then each as it comes."""
    try:
        standing = await feed.standing(stream)
        number = standing.analysed
        recent: list[dict[str, Any]] = []
        for back in range(min(RECENT, number)):
            recent = [*await asyncio.to_thread(_of_window, feed, stream, number - 1 - back, session_id), *recent]
            if len(recent) >= RECENT:
                break
        await socket.send_json({"type": "recent_analysis", "analyses": recent[-RECENT:]})
        while not (standing.is_over and number >= standing.analysed):
            for one in range(number, standing.analysed):
                for analysis in await asyncio.to_thread(_of_window, feed, stream, one, session_id):
                    await socket.send_json({"type": "analysis_update", "analysis": analysis})
            number = standing.analysed
            await asyncio.sleep(LOOK_S)
            standing = await feed.standing(stream)
    except MprError as error:
        with suppress(RuntimeError):  # the socket was closed meanwhile
            await socket.send_json({"type": "error", "error": str(error)})
    except (WebSocketDisconnect, RuntimeError):
        return


def _of_window(feed: LiveFeed, stream: str, number: int, session_id: str) -> list[dict[str, Any]]:
    found = feed.window(stream, number)
    return [] if found is None else analyses(*found, session_id)
