"""Pages opened in a headless Firefox, by WebDriver BiDi, which it speaks itself: no driver is needed.

The commands are those of https://www.w3.org/TR/webdriver-bidi/.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


@dataclass(frozen=True)
class Seen:
    """What was seen of a page: an expression's value, what the console and the network said, and a picture as PNG."""

    value: Any
    faults: tuple[str, ...]
    png: bytes


@contextmanager
def listening(binary: str, profile: Path) -> Iterator[str]:
    """Run Firefox while the block lasts, and provide the address at which it listens."""
    profile.mkdir(parents=True, exist_ok=True)
    words = [binary, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if found := _LISTENS.search(line):
                yield found[1]
                return
        raise RuntimeError(f"{binary} did not start: {''.join(said)}")
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


def visit(address: str, pages: Sequence[tuple[str, str]], size: tuple[int, int]) -> list[Seen]:
    """Open pages one after the other, and wait in each until an expression of JavaScript is true.

    Parameters
    ----------
    address : str
        As of `listening`.
    pages : sequence of (str, str)
        Addresses with expressions.
    size : (int, int)
        Width and height of the window's inside in CSS pixels.
    """
    with ThreadPoolExecutor(1) as own:  # for in this thread playwright may have a loop that runs
        return own.submit(lambda: asyncio.run(_visit(address, pages, size))).result()


async def _visit(address: str, pages: Sequence[tuple[str, str]], size: tuple[int, int]) -> list[Seen]:
    socket = await websocket_connect(f"{address}/session", max_message_size=1 << 28)
    try:
        session = _Session(socket)
        await session.ask("session.new", capabilities={})
        await session.ask("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        return [await session.visit(url, expression, size) for url, expression in pages]
    finally:
        socket.close()
        while await socket.read_message() is not None:
            pass


# What the page has not made yet is null, and asking something of it fails: such a failure counts only at the end.
_UNTIL = """
const until = async (seen) => {
  let failure = null;
  for (let tries = 0; tries < 600; tries += 1) {
    try {
      const value = seen();
      failure = null;
      if (value) return value;
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (failure) throw failure;
  return null;
};
"""


class _Session:
    """Commands and their answers; what pages log as errors, or ask of another address, is kept as faults."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket
        self.asked = 0
        self.faults: list[str] = []

    async def ask(self, method: str, **params: Any) -> Any:
        self.asked += 1
        await self.socket.write_message(json.dumps({"id": self.asked, "method": method, "params": params}))
        while (text := await asyncio.wait_for(self.socket.read_message(), 50)) is not None:
            message = json.loads(text)
            if message.get("id") == self.asked:
                if message["type"] == "error":
                    raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
                return message["result"]
            self._note(message)
        raise RuntimeError(f"{method}: Firefox is gone")

    async def visit(self, url: str, expression: str, size: tuple[int, int]) -> Seen:
        tab = (await self.ask("browsingContext.create", type="tab"))["context"]
        viewport = dict(zip(("width", "height"), size, strict=True))
        await self.ask("browsingContext.setViewport", context=tab, viewport=viewport)
        self.faults.clear()
        await self.ask("browsingContext.navigate", context=tab, url=url, wait="complete")
        value = await self.value(tab, f"(async () => {{ {_UNTIL} return until(() => ({expression})); }})()")
        shot = await self.ask("browsingContext.captureScreenshot", context=tab)
        await self.ask("browsingContext.close", context=tab)
        return Seen(value, tuple(self.faults), base64.b64decode(shot["data"]))

    async def value(self, tab: str, expression: str) -> Any:
        """Return what an expression comes to, which must be a text, a number or a truth value."""
        answer = await self.ask("script.evaluate", expression=expression, target={"context": tab}, awaitPromise=True)
        if answer["type"] != "success":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "log.entryAdded" and params["level"] in ("error", "warn"):
            self.faults.append(f"{params['level']}: {params['text']}")
        elif message.get("method") == "network.beforeRequestSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:", "about:")):
                self.faults.append(f"asked for {url}")
