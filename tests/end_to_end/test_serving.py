"""`sanctum --serve` as a user starts it: over a websocket, and in a real browser if there is one."""

import asyncio
import base64
import shutil
import subprocess
import time
from pathlib import Path

import aiohttp
import pytest

from esper_lite import connect
from esper_schemas.payload import PPOUpdatePayload

pytestmark = pytest.mark.process

TOKEN = "a token that is long enough"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1400,900",
]
SELECTED_TEXT = """(() => {
    const clipboard = new DataTransfer();
    const copy = new ClipboardEvent("copy", {clipboardData: clipboard, bubbles: true, cancelable: true});
    document.querySelector(".xterm").dispatchEvent(copy);
    return clipboard.getData("text/plain");
})()"""
"""The text that the terminal in the page copies: that of the cells that it shows."""
SHIFT = 8


@pytest.fixture(scope="module")
def served(playground, commands):
    """The address of a recorded run that is served with a token."""
    with connect("shown", runs_dir=playground.runs_dir, aggregator=False) as telemetry:
        for update in range(12):
            telemetry.emit(PPOUpdatePayload(policy_loss=-0.01 * update, kl_divergence=0.0123))
    playground.environment["ESPER_SERVE_TOKEN"] = TOKEN
    run = str(playground.runs_dir / "shown")
    process = playground.start([*commands["sanctum"], run, "--serve", "0", "--theme", "light"])
    line = process.stdout.readline()
    address = next((word for word in line.split() if word.startswith("http://")), None)
    assert address, line
    return process, address.partition("?")[0]


def children(process):
    """The child processes of a process that still exist."""
    listed = subprocess.run(
        ["ps", "--ppid", str(process.pid), "-o", "pid="], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


async def drawn_until(websocket, *words):
    """Receive until all of these words have been drawn."""
    drawn = b""
    async with asyncio.timeout(60):
        while not all(word in drawn for word in words):
            message = await websocket.receive()
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), drawn[-500:]
            drawn += message.data if message.type is aiohttp.WSMsgType.BINARY else b""
    return drawn


async def test_a_recorded_run_is_drawn_for_a_visitor_with_the_token(served):
    """This covers token, cookie, websocket, and a process with the target that draws the panels."""
    process, address = served
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        assert (await session.get(address)).status == 401
        assert (await session.get(address, params={"token": TOKEN})).status == 200
        origin = {"Origin": address.rstrip("/")}
        websocket = await session.ws_connect(f"{address}ws?width=120&height=40", headers=origin)
        await drawn_until(websocket, b"REPLAY", b"shown", b"PPO LOSSES", b"FINDINGS")
        assert len(children(process)) == 1
        await websocket.close()
    deadline = time.monotonic() + 30
    while children(process):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


class Browser:
    """A page in headless Chromium, driven over the DevTools protocol."""

    def __init__(self, session, websocket):
        self.session, self.websocket, self.number = session, websocket, 0

    async def call(self, method, **parameters):
        """Call a method and wait for its result; other messages are ignored."""
        self.number += 1
        await self.websocket.send_json({"id": self.number, "method": method, "params": parameters})
        while True:
            answer = await self.websocket.receive_json(timeout=60)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    async def evaluate(self, expression):
        """The value of an expression in the page."""
        return (await self.call("Runtime.evaluate", expression=expression, returnByValue=True))["result"].get(
            "value"
        )

    async def text(self):
        """The text of the terminal, selected with the mouse from its first cell to its last."""
        box = await self.evaluate("document.querySelector('.xterm-screen')?.getBoundingClientRect().toJSON()")
        if not box:
            return ""
        first, last = (box["left"] + 2, box["top"] + 2), (box["right"] - 3, box["bottom"] - 3)
        for kind, (x, y) in (("mousePressed", first), ("mouseMoved", last), ("mouseReleased", last)):
            await self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                buttons=int(kind != "mouseReleased"),
                clickCount=1,
                modifiers=SHIFT,
            )
        return await self.evaluate(SELECTED_TEXT)

    async def text_with(self, *words):
        """The text of the terminal, once it contains these words."""
        seen = ""
        async with asyncio.timeout(60):
            while not all(word in seen for word in words):
                seen = await self.text()
                await asyncio.sleep(0.1)
        return seen

    async def press(self, key):
        """Press and release a key."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def picture(self):
        """The page as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@pytest.fixture
async def browser(tmp_path):
    """A blank page in a new browser."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    process = subprocess.Popen(
        [CHROMIUM, *CHROMIUM_FLAGS, f"--user-data-dir={tmp_path}", "about:blank"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = next(line for line in process.stderr if "DevTools listening" in line).split(":")[-1]
        async with aiohttp.ClientSession() as session:
            pages = await (await session.get(f"http://127.0.0.1:{port.split('/')[0]}/json")).json()
            url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
            async with session.ws_connect(url, max_msg_size=0) as websocket:
                yield Browser(session, websocket)
    finally:
        process.kill()
        process.communicate()


async def test_a_real_browser_draws_the_panels_and_sends_keys(served, browser):
    """The terminal in the page has their text; `?` shows the help, `q` ends the session."""
    _, address = served
    await browser.call("Page.navigate", url=f"{address}?token={TOKEN}")

    screen = await browser.text_with("PPO LOSSES", "FINDINGS", "REPLAY", "shown")
    assert "0.0123" in screen  # the KL divergence
    assert await browser.evaluate("location.href") == address
    cockpit = await browser.picture()
    await browser.press("?")
    assert "Quit Sanctum. Training continues." in await browser.text_with("KEYS")
    assert len(await browser.picture()) > 20_000 < len(cockpit)  # A blank page has 6 kB.
    await browser.press("?")
    await browser.text_with("PPO LOSSES")
    await browser.press("q")
    async with asyncio.timeout(60):
        while "-closed" not in await browser.evaluate("document.body.className"):
            await asyncio.sleep(0.05)
    assert "This session has ended." in await browser.evaluate("document.body.innerText")


async def test_without_the_token_a_real_browser_shows_an_error(served, browser):
    """The page starts with how to add the token."""
    _, address = served
    await browser.call("Page.navigate", url=address)
    async with asyncio.timeout(60):
        while not (seen := await browser.evaluate("document.body.innerText")):
            await asyncio.sleep(0.05)

    assert seen.startswith("Add ?token=TOKEN to the address")


async def test_the_server_ends_the_processes_of_its_visitors(served):
    """After SIGTERM no process is left, and the exit code is 0."""
    process, address = served
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await session.get(address, params={"token": TOKEN})
        websocket = await session.ws_connect(f"{address}ws", headers={"Origin": address.rstrip("/")})
        await drawn_until(websocket, b"PPO LOSSES")
        visitors = children(process)
        process.terminate()
        await asyncio.to_thread(process.wait, 30)

    assert process.returncode == 0
    assert len(visitors) == 1
    assert not any(Path(f"/proc/{child}").exists() for child in visitors)
