"""Tests of esper_tui.serving: browser sessions over real sockets, each with its own process."""

import asyncio
import json
import re
import shlex
import sys

import aiohttp
import pytest
from aiohttp import WSMsgType
from aiohttp.test_utils import TestServer

from esper_tui.serving import sanctum_server
from esper_tui.serving.admission import AccessPolicy

TOKEN = "a token that is long enough"
PROGRAM = """
from esper_schemas.source import Feed
from esper_tui.serving.served_app import ServedApp

class Nobody:
    def poll(self):
        return Feed(origin="ipc:///nowhere")

ServedApp(Nobody()).run()
"""
SCREEN = f"exec {shlex.join([sys.executable, '-c', PROGRAM])}"


class Visitor:
    """A browser as the server sees it: one page and one websocket."""

    def __init__(self, session, url):
        self.session, self.url = session, url
        self.drawn = b""
        self.said = []

    async def get(self, url, **options):
        """Return a response that has been read to its end, which frees its connection."""
        async with self.session.get(url, **options) as answer:
            await answer.read()
            return answer

    async def open(self, **headers):
        """Open the websocket as the page does."""
        headers = {"Origin": str(self.url.origin())} | headers
        self.websocket = await self.session.ws_connect(
            self.url.with_path("/ws") % {"width": 120, "height": 40}, headers=headers
        )
        return self.websocket

    async def receive_until(self, is_enough):
        """Receive until a condition holds; False if the connection ended before."""
        async with asyncio.timeout(30):
            while not is_enough(self):
                message = await self.websocket.receive()
                if message.type is WSMsgType.BINARY:
                    self.drawn += message.data
                elif message.type is WSMsgType.TEXT:
                    self.said.append(json.loads(message.data))
                else:
                    await self.websocket.close()
                    return False
        return True

    async def press(self, keys):
        """Type keys."""
        await self.websocket.send_json(["stdin", keys])


@pytest.fixture
async def serve():
    """Serves a command and returns its visitors."""
    started = []

    async def start(command=SCREEN, token=None):
        running = TestServer(
            await sanctum_server.SanctumServer(command, AccessPolicy(token), 8000).application()
        )
        await running.start_server()
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        started.extend([session, running])
        return Visitor(session, running.make_url("/"))

    yield start
    for one in started:
        await one.close()


def shows(*words):
    """A condition: all of these words have been drawn."""
    return lambda visitor: all(word in visitor.drawn for word in words)


@pytest.mark.process
async def test_a_visitor_sees_the_panels_and_types_commands(serve):
    """`?` shows the help, and quitting ends the connection."""
    visitor = await serve()
    await visitor.open()

    assert await visitor.receive_until(shows(b"PPO LOSSES", b"ACTION HEADS", b"WAITING"))
    await visitor.press("?")
    assert await visitor.receive_until(shows(b"Quit Sanctum. Training continues."))
    await visitor.press("?q")
    assert not await visitor.receive_until(lambda _: False)


@pytest.mark.process
async def test_a_new_size_is_drawn(serve):
    """The rule of a panel is as long as the window is wide."""
    visitor = await serve()
    await visitor.open()
    await visitor.receive_until(shows(b"PPO LOSSES"))
    await visitor.websocket.send_json(["resize", {"width": 40, "height": 10}])

    rule = re.compile(r" PPO LOSSES [^ ]*?(?:─){26}\x1b".encode())
    assert await visitor.receive_until(lambda v: rule.search(v.drawn))


async def test_the_page_loads_nothing_from_another_server(serve):
    """All files that it needs are served with it, so that it works without a network."""
    visitor = await serve()
    page = await visitor.get(visitor.url)
    text = await page.text()

    assert page.status == 200
    assert "http" not in text.removeprefix("<!DOCTYPE html>")
    for path in ("js/textual.js", "css/xterm.css", "fonts/RobotoMono-VariableFont_wght.ttf"):
        assert f"/static/{path}" in text
        assert (await visitor.get(visitor.url / "static" / path)).status == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/ws", "/static/js/textual.js", "/download/x", "/nowhere", "/static/"])
async def test_without_the_token_every_request_is_refused(serve, path):
    """A path that does not exist is no exception."""
    visitor = await serve(token=TOKEN)
    for headers in ({}, {"Authorization": "Bearer no"}, {"Cookie": "sanctum-8000=no"}):
        answer = await visitor.get(visitor.url.with_path(path), headers=headers)

        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await visitor.get(visitor.url.with_path(path) % {"token": "no"})).status == 401


@pytest.mark.process
async def test_the_token_is_asked_for_once(serve):
    """It is removed from the address, and the cookie opens the page and the websocket."""
    visitor = await serve(token=TOKEN)
    first = await visitor.get(visitor.url % {"token": TOKEN, "fontsize": "20"}, allow_redirects=False)
    cookie = first.cookies["sanctum-8000"]

    assert (first.status, first.headers["Location"]) == (303, "/?fontsize=20")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert (await visitor.get(visitor.url)).status == 200
    await visitor.open()
    assert await visitor.receive_until(shows(b"PPO LOSSES"))


@pytest.mark.parametrize("token", [None, TOKEN])
async def test_another_site_can_open_nothing(serve, token):
    """It is refused under its own name, and with the visitor's cookie."""
    visitor = await serve(token=token)
    if token:
        await visitor.get(visitor.url % {"token": token})
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await visitor.open(**headers)
        assert refused.value.status == 403
    if not token:
        answer = await visitor.get(visitor.url, headers={"Host": "evil.example"})
        assert answer.status == 403


@pytest.mark.process
async def test_the_number_of_visitors_is_limited(serve, monkeypatch):
    """Each needs a process; a visitor that leaves makes room for another one."""
    monkeypatch.setattr(sanctum_server, "MOST_VISITORS", 1)
    visitor = await serve()
    first = await visitor.open()

    assert (await visitor.get(visitor.url)).status == 503
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.open()
    assert refused.value.status == 503
    await first.close()
    while (await visitor.get(visitor.url)).status == 503:
        pass
    await visitor.open()
    assert await visitor.receive_until(shows(b"PPO LOSSES"))


@pytest.mark.process
@pytest.mark.parametrize(
    "sent",
    ["{", "[" * 9000, '["stdin", 3]', '["resize", {"width": "1", "height": 2}]'],
    ids=["torn", "deep", "typed a number", "wide as a word"],
)
async def test_an_invalid_message_ends_the_session(serve, sent, capfd):
    """Nothing is printed on the terminal of the server."""
    visitor = await serve()
    await visitor.open()
    await visitor.websocket.send_str(sent)

    assert not await visitor.receive_until(lambda _: False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.process
async def test_a_process_that_dies_ends_the_session(serve):
    """The connection is closed."""
    visitor = await serve(command=f"exec {shlex.join([sys.executable, '-c', 'raise SystemExit(3)'])}")
    await visitor.open()

    assert not await visitor.receive_until(lambda _: False)


@pytest.mark.process
async def test_a_saved_screen_is_a_download(serve):
    """The visitor receives it as an SVG file."""
    visitor = await serve()
    await visitor.open()
    await visitor.receive_until(shows(b"PPO LOSSES"))
    await visitor.press("s")
    await visitor.receive_until(lambda v: any(said[0] == "deliver_file_start" for said in v.said))
    key = visitor.said[-1][1]

    reading = asyncio.create_task(visitor.receive_until(lambda _: False))
    picture = await visitor.get(visitor.url / "download" / key)
    text = await picture.text()
    reading.cancel()

    assert text.startswith("<svg")
    assert "sanctum-" in picture.headers["Content-Disposition"]
