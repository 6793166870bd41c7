"""How Chromium is started so that nothing of it leaves this machine but through a job's proxy. Loads no browser.

Each switch closes a way past the proxy. `tests/security/test_browser_leaks.py` watches the system calls of a real
Chromium for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from llmcoder.net.proxy import Proxy

_SWITCHES = (
    # No name is looked up but by the proxy: not by dns-prefetch, not by a page's preconnect, not by Chromium itself.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--dns-prefetch-disable",
    # UDP knows no proxy: neither HTTP/3 and WebTransport nor WebRTC may use it.
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    # Chromium's own errands, of which none is the page's: they would be refused or waste the job's bytes.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)


class ProxySettings(TypedDict):
    """As Playwright takes them."""

    server: str
    bypass: str
    username: str
    password: str


class LaunchOptions(TypedDict):
    """Arguments of Playwright's `chromium.launch` and `launch_persistent_context`."""

    proxy: ProxySettings
    args: list[str]


def launch_options(proxy: Proxy, *args: str) -> LaunchOptions:
    """What to launch Chromium with; no context of it may be given another proxy.

    Args:
        args: More switches. None may be one of those that are set here, `--proxy-server` or `--proxy-bypass-list`.

    Raises:
        ValueError: A switch would undo one of these.
    """
    ours = {switch.partition("=")[0] for switch in _SWITCHES}
    for switch in args:
        name = switch.partition("=")[0]
        if name in ours or name.startswith(("--proxy-", "--no-proxy-server", "--host-rules")):
            raise ValueError(f"{name} is set by the guard.")
    return {
        # <-loopback> takes back the rule that addresses of this machine need no proxy
        "proxy": {
            "server": proxy.url,
            "bypass": "<-loopback>",
            "username": proxy.username,
            "password": proxy.password,
        },
        "args": [*_SWITCHES, *args],
    }
