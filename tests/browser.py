"""Headless Chromium over its debugging pipe: a page, pointer and keys, what it says and asks."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tools import need

_TIMEOUT_S = 120
# The browser reads from file 3 and writes to file 4.
_WITH_PIPES = """
import os, sys
os.dup2(int(sys.argv[1]), 50), os.dup2(int(sys.argv[2]), 51)
os.dup2(50, 3), os.dup2(51, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Page:
    """One page. `said` holds errors and warnings since it was opened, `asked` what it asked for."""

    def __init__(self, write: Any, read: Any) -> None:
        self._write, self._read = write, read
        self._number, self._session = 0, ""
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one method of the protocol; what comes in between is noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, address: str, width: int = 1000, height: int = 900) -> None:
        """Load a page in a window of that size, as a phone would below 600."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.call("Page.navigate", url="about:blank")
        self.said.clear()
        self.asked.clear()
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def value(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> None:
        """Until an expression is true."""
        until = time.monotonic() + _TIMEOUT_S
        while not self.value(script):
            assert time.monotonic() < until, f"never: {script}; {self.said}"
            time.sleep(0.05)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element, scrolled into sight."""
        found = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.left, b.top, b.width, b.height]; })()"
        )
        return tuple(found)

    def stroke(self, points: list[tuple[float, float]]) -> None:
        """Press at the first point, move over the others, let go at the last."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1)]
        for kind, (x, y) in zip(kinds, points, strict=True):
            self._mouse(kind, x, y)
        self._mouse("mouseReleased", *points[-1])

    def click(self, selector: str) -> None:
        """Press and let go in the middle of an element."""
        left, top, width, height = self.box(selector)
        self.stroke([(left + width / 2, top + height / 2)])

    def press(self, key: str, text: str = "") -> None:
        """One key, down and up."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def give(self, selector: str, file: Path) -> None:
        """A file for an element that takes one."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=self._whole())
        file.write_bytes(base64.b64decode(shot["data"]))

    def _whole(self) -> dict[str, float]:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def _mouse(self, kind: str, x: float, y: float) -> None:
        held = {"button": "left", "clickCount": 1, "buttons": int(kind != "mouseReleased")}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def _next(self) -> dict[str, Any]:
        raw = bytearray()
        while not raw.endswith(b"\0"):
            piece = self._read.read(1)
            assert piece, "the browser has ended"
            raw += piece
        message = json.loads(raw[:-1])
        what, details = message.get("method"), message.get("params", {})
        if what == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
            self.said.append(str(details["args"]))
        elif what == "Runtime.exceptionThrown":
            self.said.append(str(details["exceptionDetails"]))
        elif what == "Log.entryAdded":
            self.said.append(details["entry"]["text"])
        elif what == "Network.requestWillBeSent":
            self.asked.append(details["request"]["url"])
        return message


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page of a browser whose files lie in a folder."""
    program = shutil.which("chromium")
    need(program, "chromium")
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    command = [
        sys.executable, "-c", _WITH_PIPES, str(to_read), str(from_write), program, "--headless",
        "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", f"--user-data-dir={folder}", "--remote-debugging-pipe",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        pass_fds=(to_read, from_write),
    )  # fmt: skip
    os.close(to_read)
    os.close(from_write)
    try:
        with os.fdopen(to_write, "wb") as write, os.fdopen(from_read, "rb") as read:
            yield Page(write, read)
    finally:
        process.terminate()
        process.wait(60)
