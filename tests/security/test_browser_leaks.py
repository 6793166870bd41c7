"""A real Chromium behind a job's proxy: pages that try every way past it, under a watch over its system calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser_kit import PUBLIC, Pages, Private, Sites, Watch, names, sites, watching_library
from net_kit import chromium, tls_contexts
from playwright.sync_api import Browser, Error, Page, Playwright, sync_playwright

from llmcoder.net import Network
from llmcoder.net.chromium import launch_options
from llmcoder.net.proxy import Proxy

SOON_MS = 60_000
PAGE = ("text/html", "<!doctype html><title>page</title><p>here</p>")
WORKER = """
onmessage = async ({data}) => {
  try { const answer = await fetch(data, {mode: "no-cors"}); postMessage("got " + await answer.text()) }
  catch (error) { postMessage("failed") }
}"""
SERVICE_WORKER = """
addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil(clients.claim()));
addEventListener("message", async ({data, ports}) => {
  try { const answer = await fetch(data, {mode: "no-cors"}); ports[0].postMessage("got " + await answer.text()) }
  catch (error) { ports[0].postMessage("failed") }
});"""
PAGES = {
    "/": PAGE,
    "/worker.js": ("text/javascript", WORKER),
    "/sw.js": ("text/javascript", SERVICE_WORKER),
}


@pytest.fixture(scope="module")
def watch_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return watching_library(tmp_path_factory.mktemp("watch"))


@pytest.fixture
def watch(watch_library: Path, tmp_path: Path) -> Watch:
    return Watch(watch_library, tmp_path / "outgoing.log")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    chromium()
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with sites(tls_contexts(tmp_path_factory.mktemp("tls"), "site.example")[0], PAGES) as started:
        yield started


@pytest.fixture
def private() -> Iterator[Private]:
    listener = Private()
    yield listener
    listener.close()


@pytest.fixture
def net() -> Iterator[Network]:
    with closing(Network(allow=[PUBLIC], resolve=names())) as made:
        yield made


@dataclass(frozen=True)
class Job:
    """A browser behind a job's proxy, under a watch. Each test gets a context, which keeps nothing of another one."""

    browser: Browser
    proxy: Proxy
    watch: Watch


@pytest.fixture(scope="module")
def shared_job(playwright: Playwright, watch_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """To start a Chromium costs more than most tests."""
    watch = Watch(watch_library, tmp_path_factory.mktemp("watch") / "outgoing.log")
    with (
        closing(Network(allow=[PUBLIC], resolve=names())) as net,
        net.proxy() as proxy,
        browsing(playwright, proxy, watch) as browser,
    ):
        yield Job(browser, proxy, watch)


@pytest.fixture
def page(shared_job: Job) -> Iterator[Page]:
    with closing(shared_job.browser.new_context()) as context:
        yield context.new_page()


@contextmanager
def browsing(playwright: Playwright, proxy: Proxy, watch: Watch) -> Iterator[Browser]:
    options = launch_options(proxy, "--ignore-certificate-errors")  # of the test's own site
    browser = playwright.chromium.launch(executable_path=chromium(), env=watch.environ, **options)  # type: ignore[arg-type]
    try:
        yield browser
    finally:
        browser.close()


def assert_nothing_passed_by(watch: Watch, proxy: Proxy, private: Private) -> None:
    assert (private.connects, private.packets) == ([], [])
    seen = watch.seen()
    assert seen, "the watch saw Chromium connect to its proxy"
    assert {(one.what, one.kind, one.host, one.port) for one in seen} == {("connect", "tcp", "127.0.0.1", proxy.port)}


@pytest.mark.long("every way out of a page is tried, some of which end only when their time is over")
def test_the_watch_sees_a_chromium_without_the_proxy(playwright: Playwright, watch: Watch, private: Private) -> None:
    """The other tests would prove nothing if it did not."""
    browser = playwright.chromium.launch(executable_path=chromium(), env=watch.environ)  # type: ignore[arg-type]
    page = browser.new_page()
    try_everything(page, f"http://127.0.0.1:{private.port}", private.port)
    until(page, lambda: bool(private.connects and private.packets), "Chromium connects, and WebRTC sends over UDP")
    browser.close()
    seen = {(one.what, one.kind, one.port) for one in watch.seen()}
    assert {("connect", "tcp", private.port), ("send", "udp", private.port)} <= seen


def until(page: Page, question: Callable[[], bool], what: str) -> None:
    """Wait while the browser goes on."""
    deadline = time.monotonic() + SOON_MS / 1_000
    while not question():
        assert time.monotonic() < deadline, what
        page.wait_for_timeout(100)


EVERYTHING = """
async ([origin, port]) => {
  const quietly = async (attempt) => { try { await Promise.race([attempt(), new Promise(r => setTimeout(r, 6000))]) }
                                       catch (error) {} };
  const element = (name, attributes) => new Promise(done => {
    const made = Object.assign(document.createElement(name), attributes);
    made.onload = made.onerror = made.onloadeddata = done;
    document.body.append(made);
  });
  const closed = (source) => new Promise(done => {
    source.onclose = done;
    source.onerror = () => { source.close(); done() };
  });
  const hosts = [origin, `http://localhost:${port}`, `http://[::1]:${port}`, `http://private.example:${port}`,
                 `http://0.0.0.0:${port}`, `http://[::ffff:127.0.0.1]:${port}`];
  const links = ["dns-prefetch", "preconnect", "prefetch", "preload", "modulepreload", "stylesheet", "icon",
                 "prerender", "manifest"];
  await Promise.all(hosts.flatMap(host => [
    quietly(() => fetch(host + "/fetch", {mode: "no-cors"})),
    quietly(() => fetch(host + "/post", {method: "POST", mode: "no-cors", body: "x", keepalive: true})),
    quietly(() => navigator.sendBeacon(host + "/beacon", "x")),
    quietly(() => closed(new WebSocket(host.replace("http", "ws") + "/ws"))),
    quietly(() => closed(new EventSource(host + "/sse"))),
    ...["img", "iframe", "script", "video", "audio", "embed", "source"].map(
      name => quietly(() => element(name, {src: host + "/" + name}))),
    ...links.map(rel => quietly(() => element("link", {rel, href: host + "/" + rel, as: "image"}))),
    quietly(() => new WebTransport(host.replace("http", "https") + "/wt").ready),
  ]));
  await Promise.all(["stun:127.0.0.1", "turn:127.0.0.1", "turn:private.example"].flatMap(server =>
    ["", "?transport=udp", "?transport=tcp"].filter(how => !(server.startsWith("stun") && how)).map(how =>
      quietly(async () => {
        const own = {username: "a", credential: "b"};
        const peer = new RTCPeerConnection({iceServers: [{urls: `${server}:${port}${how}`, ...own}]});
        peer.createDataChannel("x");
        await peer.setLocalDescription(await peer.createOffer());
        await new Promise(done => { peer.onicecandidate = ({candidate}) => candidate || done() });
      }))));
}"""


def try_everything(page: Page, origin: str, port: int) -> None:
    page.set_default_timeout(SOON_MS)
    page.evaluate(EVERYTHING, [origin, port])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_element_script_socket_or_peer_connection_passes_by(
    playwright: Playwright, net: Network, site: Sites, watch: Watch, private: Private, scheme: str
) -> None:
    with net.proxy() as proxy, browsing(playwright, proxy, watch) as browser:
        page = browser.new_page()
        page.goto(f"{scheme}://site.example:{getattr(site, scheme)}/")
        assert page.title() == "page"
        try_everything(page, f"http://127.0.0.1:{private.port}", private.port)
        assert_nothing_passed_by(watch, proxy, private)
        hosts = {"127.0.0.1", "localhost", "::1", "private.example", "0.0.0.0", "::ffff:7f00:1"}
        until(page, lambda: {one.host for one in proxy.refusals} >= hosts, "all of them were tried, and refused")
        assert_nothing_passed_by(watch, proxy, private)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "https://private.example:{port}/",
        "http://[::]:{port}/",
        "http://0x7f.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://site.example:{http}/to?url=http://127.0.0.1:{port}/",
        "https://site.example:{https}/to?url=https://private.example:{port}/",
    ],
)
def test_no_page_and_no_redirect_leads_to_a_private_address(
    shared_job: Job, page: Page, site: Sites, private: Private, url: str
) -> None:
    before = shared_job.proxy.refusal_count
    address = url.format(port=private.port, http=site.http, https=site.https)
    try:
        answer = page.goto(address, timeout=SOON_MS)
    except Error as error:
        assert "ERR_TUNNEL_CONNECTION_FAILED" in error.message
    else:
        assert answer is not None
        assert answer.status == 403
        assert "not public" in answer.text()
    assert_nothing_passed_by(shared_job.watch, shared_job.proxy, private)
    assert "not public" in shared_job.proxy.refusals[before].detail


FROM_WORKER = """url => new Promise(done => {
  const worker = new Worker("/worker.js");
  worker.onmessage = ({data}) => done(data);
  worker.postMessage(url);
})"""
FROM_SERVICE_WORKER = """async url => {
  await navigator.serviceWorker.register("/sw.js");
  const ready = await navigator.serviceWorker.ready;
  const channel = new MessageChannel();
  const answer = new Promise(done => { channel.port1.onmessage = ({data}) => done(data) });
  ready.active.postMessage(url, [channel.port2]);
  return await answer;
}"""


@pytest.mark.parametrize("script", [FROM_WORKER, FROM_SERVICE_WORKER], ids=["worker", "service worker"])
def test_workers_fetch_from_the_site_and_not_from_a_private_address(
    shared_job: Job, page: Page, site: Sites, private: Private, script: str
) -> None:
    proxy = shared_job.proxy
    page.goto(f"https://site.example:{site.https}/", timeout=SOON_MS)
    assert page.evaluate(script, "/of-the-site") == "got echo /of-the-site"
    for url in (
        f"https://127.0.0.1:{private.port}/",
        f"https://site.example:{site.https}/to?url=https://private.example:{private.port}/",
    ):
        before = proxy.refusal_count
        assert page.evaluate(script, url) == "failed"
        assert proxy.refusal_count > before
    assert_nothing_passed_by(shared_job.watch, proxy, private)


ECHOED = """url => new Promise(done => {
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send("hello");
  socket.onmessage = ({data}) => done(data);
  socket.onerror = () => done("failed");
})"""


def test_websockets_speak_to_the_site_and_not_to_a_private_address(
    shared_job: Job, page: Page, site: Sites, private: Private
) -> None:
    proxy = shared_job.proxy
    page.goto(f"http://site.example:{site.http}/", timeout=SOON_MS)
    for scheme in ("ws", "wss"):
        assert page.evaluate(ECHOED, f"{scheme}://site.example:{getattr(site, scheme)}/") == "hello"
        before = proxy.refusal_count
        assert page.evaluate(ECHOED, f"{scheme}://127.0.0.1:{private.port}/") == "failed"
        assert proxy.refusal_count > before
    assert_nothing_passed_by(shared_job.watch, proxy, private)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_pages_post_and_downloads_work_in_every_context_of_the_browser(
    shared_job: Job, site: Sites, private: Private, scheme: str
) -> None:
    origin = f"{scheme}://site.example:{getattr(site, scheme)}"
    before = shared_job.proxy.refusal_count
    for _ in range(2):
        context = shared_job.browser.new_context()
        page = context.new_page()
        page.goto(f"{origin}/to?url={origin}/", timeout=SOON_MS)
        assert page.url == f"{origin}/"
        posted = "fetch('/post', {method: 'POST', body: 'x'.repeat(3_000_000)}).then(got => got.text())"
        assert page.evaluate(posted) == "got 3000000"
        with page.expect_download(timeout=SOON_MS) as download:
            page.evaluate("location.href = '/file'")
        assert Path(download.value.path()).stat().st_size == 600_000
        context.close()
    assert shared_job.proxy.refusal_count == before
    assert_nothing_passed_by(shared_job.watch, shared_job.proxy, private)
    told = [name.lower() for _, headers in Pages.seen for name in headers]
    assert not {name for name in told if name.startswith("proxy")}, "the password stays between browser and proxy"


def test_after_the_job_nothing_is_reached_at_all(
    playwright: Playwright, net: Network, site: Sites, watch: Watch, private: Private
) -> None:
    """A browser that outlives its job has nowhere to go: not by the proxy, and not without it."""
    proxy = net.proxy()
    with browsing(playwright, proxy, watch) as browser:
        page = browser.new_page()
        page.goto(f"http://site.example:{site.http}/", timeout=SOON_MS)
        net.close()
        for url in (f"http://site.example:{site.http}/", f"http://127.0.0.1:{private.port}/"):
            with pytest.raises(Error, match=r"net::ERR_"):
                page.goto(url, timeout=SOON_MS)
        assert_nothing_passed_by(watch, proxy, private)


def test_the_proxy_and_the_engine_s_own_ports_are_private_addresses_too(
    shared_job: Job, page: Page, private: Private
) -> None:
    for port in (shared_job.proxy.port, 5000, 5555):
        answer = page.goto(f"http://127.0.0.1:{port}/", timeout=SOON_MS)
        assert answer is not None
        assert answer.status == 403
    assert_nothing_passed_by(shared_job.watch, shared_job.proxy, private)


@pytest.mark.parametrize(
    "switch", ["--proxy-server=x", "--no-proxy-server", "--host-resolver-rules=", "--host-rules=x"]
)
def test_a_switch_that_would_open_a_way_past_is_not_taken(net: Network, switch: str) -> None:
    with net.proxy() as proxy, pytest.raises(ValueError, match="set by the guard"):
        launch_options(proxy, switch)
