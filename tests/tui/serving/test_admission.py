"""Tests of esper_tui.serving.admission: which requests are accepted."""

import pytest

from esper_tui.serving.admission import AccessPolicy, AccessRequest, is_loopback

TOKEN = "0123456789abcdef"
OPEN, LOCKED = AccessPolicy(), AccessPolicy(TOKEN)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "127.8.8.8", "[::1]:8000", "LOCALHOST"])
def test_without_a_token_names_of_this_machine_are_accepted(host):
    """The port does not matter."""
    assert OPEN.refusal(AccessRequest(host)) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example:8000", "localhost.evil.example", "0.0.0.0:8000", "10.0.0.1", "[::", "[fe80::1]"],
)
def test_without_a_token_other_names_are_refused(host):
    """A foreign name may have been pointed at loopback."""
    assert OPEN.refusal(AccessRequest(host)).status == 403


@pytest.mark.parametrize("host", ["gpu-box:8000", "localhost:8000"])
def test_with_a_token_every_request_must_show_it(host):
    """The cookie that was set for the token is accepted too; loopback is no exception."""
    for wrong in (None, "", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "ä\udcff"):
        assert LOCKED.refusal(AccessRequest(host, token=wrong)).status == 401
        assert LOCKED.refusal(AccessRequest(host, cookie=wrong)).status == 401
    assert LOCKED.refusal(AccessRequest(host, token=TOKEN)) is None
    assert LOCKED.refusal(AccessRequest(host, cookie=LOCKED.cookie)) is None


def test_the_cookie_differs_from_the_token_and_depends_on_it():
    """The cookie does not reveal the token, and that of another token is refused."""
    assert TOKEN not in LOCKED.cookie
    assert LOCKED.refusal(AccessRequest("h", cookie=AccessPolicy(TOKEN + "0").cookie)).status == 401
    assert LOCKED.refusal(AccessRequest("h", token=LOCKED.cookie)).status == 401


@pytest.mark.parametrize(
    ("origin", "opened"),
    [
        ("http://localhost:8000", True),
        ("https://localhost:8000", True),  # behind a proxy that speaks TLS
        ("http://LOCALHOST:8000", True),
        ("http://localhost:9000", False),
        ("http://evil.example", False),
        ("http://localhost:8000.evil.example", False),
        ("null", False),
        ("http://[", False),
        ("", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("policy", [OPEN, LOCKED])
def test_a_websocket_must_come_from_the_page_itself(policy, origin, opened):
    """A browser sends the cookie for any page that opens a websocket, but it also names the origin."""
    request = AccessRequest("localhost:8000", origin=origin, cookie=LOCKED.cookie, websocket=True)

    assert (policy.refusal(request) is None) is opened


def test_only_addresses_of_this_machine_are_loopback():
    """Other names have to be resolved and may belong to any host."""
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.255.0.3", "::1"]))
    assert not any(map(is_loopback, ["", "0.0.0.0", "::", "192.168.0.1", "example.org", "localhost."]))
