"""Chromium without a window, for looking at the pages that MPR writes: what they do is asked in JavaScript.

Only a Chromium that is on the machine is used; none is fetched. What is looked for is decided by tests and benchmarks.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 60
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
)


def chromium() -> str | None:
    """The program's path: that of CHROMIUM, else the first there is; None where there is none."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


class Tab:
    """A page in the browser.

    Attributes:
        messages: what the page wrote to its console and errors that nothing caught, the first first.
        requests: addresses that it asked for, itself and data URIs left out.
    """

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket, self._session = socket, session
        self._numbers = itertools.count(1)
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its answer.

        Raises:
            RuntimeError: the browser refuses it.
        """
        number = next(self._numbers)
        request = {"id": number, "method": method, "params": parameters, "sessionId": self._session}
        self._socket.send(json.dumps(request))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == number and answer.get("sessionId") == self._session:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(**_event(answer))

    def _note(self, event: str, told: dict[str, Any]) -> None:
        match event:
            case "Runtime.consoleAPICalled":
                self.messages += [str(one.get("value", one.get("description"))) for one in told["args"]]
            case "Runtime.exceptionThrown":
                details = told["exceptionDetails"]
                self.messages.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded":
                self.messages.append(told["entry"]["text"])
            case "Network.requestWillBeSent":
                if told["type"] != "Document" and not told["request"]["url"].startswith("data:"):
                    self.requests.append(told["request"]["url"])
            case "Page.loadEventFired":
                self._loaded = True

    def open(self, page: Path | str) -> None:
        """A file or an address; comes back when it is loaded."""
        self._loaded = False
        self.call("Page.navigate", url=page.as_uri() if isinstance(page, Path) else page)
        self._wait()

    def reload(self, scripts: bool = True) -> None:
        """The page anew, its own scripts run or not."""
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._loaded = False
        self.call("Page.reload")
        self._wait()

    def _wait(self) -> None:
        while not self._loaded:
            self._note(**_event(json.loads(self._socket.recv(timeout=PATIENCE_S))))

    def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise.

        Raises:
            RuntimeError: it throws.
        """
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def frame(self) -> None:
        """Wait until what was changed is drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def size(self, width: int, height: int, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def key(self, key: str) -> None:
        """Press a key and let it go."""
        code = {"windowsVirtualKeyCode": {"Enter": 13, "Escape": 27}.get(key, 0)}
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def click(self, x: float, y: float) -> None:
        for what in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=what, x=x, y=y, button="left", clickCount=1)

    def drag(self, x: float, y: float, to_x: float) -> None:
        """Press the mouse, move it sideways, let it go."""
        for what, at in (("mouseMoved", x), ("mousePressed", x), ("mouseMoved", to_x), ("mouseReleased", to_x)):
            self.call(
                "Input.dispatchMouseEvent", type=what, x=at, y=y, button="left", buttons=int(at != x), clickCount=1
            )

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def paper(self, path: Path) -> None:
        """As it is printed, as PDF."""
        answer = self.call("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(answer["data"]))


def _event(message: dict[str, Any]) -> dict[str, Any]:
    return {"event": message.get("method", ""), "told": message.get("params", {})}


@contextmanager
def tab(program: str) -> Iterator[Tab]:
    """A new browser with one page, closed at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            assert browser.stderr is not None
            found = next(filter(None, (re.search(r"ws://\S+", line) for line in browser.stderr)), None)
            if found is None:
                raise RuntimeError(f"{program} ended without saying where it listens")
            with connect(found[0], max_size=None, compression=None) as socket:
                yield Tab(socket, _session(socket))
        finally:
            browser.terminate()
            browser.wait(timeout=PATIENCE_S)
            if browser.stderr is not None:
                browser.stderr.close()


def _session(socket: ClientConnection) -> str:
    """The session of a new page."""

    def ask(number: int, method: str, **parameters: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(socket.recv(timeout=PATIENCE_S))).get("id") != number:
            pass
        result: dict[str, Any] = answer["result"]
        return result

    target = ask(1, "Target.createTarget", url="about:blank")["targetId"]
    session: str = ask(2, "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    return session
