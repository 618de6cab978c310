"""The service downloads recordings, and cannot be made a way into the network behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from qingting.errors import FetchError, ForbiddenAddressError, QingtingError, UploadTooLargeError
from qingting.service.fetching import check_url, download, is_public, resolve
from qingting.settings import Settings, load_settings

PUBLIC = "93.184.216.34"


def resolver(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
        "2001:db8::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "::127.0.0.1", "fec0::1", "not an address", "",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a.wav", "file:///etc/passwd", "gopher://example.org/", "example.org/a.wav", "", "http://",
        "http:///a", "https://user:password@example.org/a", "https://user@example.org/a", "http://exa mple.org/",
        "http://example.org/\r\nHost: x", "http://example.org\x00.evil.org/", "http://example.org:99999/",
        "http://example.org:x/", "http://[::1/", "http://example.org\\@127.0.0.1/", f"http://example.org/{'a' * 2100}",
        "javascript:alert(1)", "http://\t/",
    ],
)  # fmt: skip
def test_urls_that_are_refused_before_anybody_is_asked(url: str) -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise AssertionError("no name is looked up")

    with pytest.raises(ForbiddenAddressError) as error:
        check_url(load_settings(), url, resolver=nobody)
    assert "password" not in str(error.value.cause) or "user" in error.value.cause


def test_one_private_address_among_public_ones_is_refused() -> None:
    with pytest.raises(ForbiddenAddressError):
        check_url(load_settings(), "https://example.org/", resolver=resolver(PUBLIC, "10.0.0.1"))
    with pytest.raises(FetchError):
        check_url(load_settings(), "https://example.org/", resolver=resolver())


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::ffff:7f00:1]"])
def test_other_writings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises((ForbiddenAddressError, FetchError)):
        check_url(load_settings(), f"http://{host}/", resolver=resolve)


@pytest.mark.parametrize(
    ("allowed", "url", "taken"),
    [
        ("recorder.local", "http://recorder.local:8080/a", True),
        ("recorder.local", "http://RECORDER.local./a", True),
        ("recorder.local:8080", "http://recorder.local:8080/a", True),
        ("recorder.local:8080", "http://recorder.local/a", False),
        ("recorder.local", "http://evil.recorder.local/a", False),
        ("10.0.0.5", "http://10.0.0.5/a", True),
        ("10.0.0.5:80", "http://10.0.0.5/a", True),
        ("[fd00::5]:8080", "http://[fd00::5]:8080/a", True),
        ("", "http://recorder.local/a", False),
    ],
)
def test_private_hosts_may_be_allowed(allowed: str, url: str, taken: bool) -> None:
    settings = load_settings(api={"allowed_hosts": allowed})
    try:
        target = check_url(settings, url, resolver=resolver("10.0.0.5"))
    except ForbiddenAddressError:
        assert not taken
    else:
        assert taken
        assert target.addresses == ("10.0.0.5",)


class Recorder:
    """A server whose answers are told."""

    def __init__(self) -> None:
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: respond(handler, b"sound")
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    @property
    def settings(self) -> Settings:
        return self.with_limits()

    def with_limits(self, **api: Any) -> Settings:
        return load_settings(api={"allowed_hosts": "recorder.local", **api})

    def url(self, path: str = "/calls/one.wav") -> str:
        return f"http://recorder.local:{self.port}{path}"


def respond(
    handler: BaseHTTPRequestHandler, content: bytes, status: int = 200, *, announced: int | None = None, **headers: str
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content) if announced is None else announced))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    told = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append((self.path, self.headers["Host"]))
            try:
                told.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


LOCAL = resolver("127.0.0.1")


def fetched(settings: Settings, url: str, resolver: Callable[[str, int], list[str]] = LOCAL) -> tuple[str, bytes]:
    with download(settings, url, resolver=resolver) as (name, chunks):
        return name, b"".join(chunks)


def test_a_recording_comes_with_the_name_of_its_address(recorder: Recorder) -> None:
    url = recorder.url("/calls/20261130%20%E5%AE%A2.wav?token=secret")
    assert fetched(recorder.settings, url) == ("20261130 客.wav", b"sound")
    assert recorder.asked == [("/calls/20261130%20%E5%AE%A2.wav?token=secret", f"recorder.local:{recorder.port}")]


def test_the_connection_goes_to_the_address_that_was_looked_at(recorder: Recorder) -> None:
    """A name that answers differently the second time (DNS rebinding) is asked once per request."""
    answers = [["127.0.0.1"], ["10.9.9.9"]]
    assert fetched(recorder.settings, recorder.url(), lambda host, port: answers.pop(0))[1] == b"sound"
    assert len(answers) == 1


def redirects(*places: str) -> Callable[[BaseHTTPRequestHandler], None]:
    left = list(places)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if left:
            respond(handler, b"", 302, Location=left.pop(0))
        else:
            respond(handler, b"sound")

    return answer


def test_redirects_are_followed_and_looked_at_again(recorder: Recorder) -> None:
    recorder.answer = redirects("/b.mp3", f"http://recorder.local:{recorder.port}/c.mp3", "d.mp3")
    assert fetched(recorder.settings, recorder.url()) == ("d.mp3", b"sound")
    recorder.answer = redirects("/b", "/c", "/d", "/e")
    with pytest.raises(FetchError, match="too often"):
        fetched(recorder.settings, recorder.url())


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://recorder.local/",
        "//10.0.0.1/x",
    ],
)
def test_a_redirect_into_the_private_network_is_refused(recorder: Recorder, place: str) -> None:
    recorder.answer = redirects(place)
    with pytest.raises(ForbiddenAddressError):
        fetched(recorder.settings, recorder.url(), lambda host, port: ["127.0.0.1" if "rec" in host else host])
    assert len(recorder.asked) == 1


@pytest.mark.parametrize("announced", [None, 0, 10**9])
def test_a_download_over_the_limit_is_refused(recorder: Recorder, announced: int | None) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if announced is not None:
            handler.send_header("Content-Length", str(announced or 2000))
        handler.end_headers()
        handler.wfile.write(b"a" * 2000)

    recorder.answer = answer
    with pytest.raises(UploadTooLargeError):
        fetched(recorder.with_limits(max_upload_bytes=1000), recorder.url())


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_trickles_is_cut_off(recorder: Recorder, part: str) -> None:
    stop = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stop.wait(0.05):
            handler.wfile.write(b"a")

    recorder.answer = answer
    try:
        with pytest.raises(FetchError, match="longer than"):
            fetched(recorder.with_limits(fetch_timeout_seconds=0.5), recorder.url())
    finally:
        stop.set()


def test_a_download_that_ends_early_is_no_recording(recorder: Recorder) -> None:
    recorder.answer = lambda handler: respond(handler, b"half", announced=1000)
    with pytest.raises(FetchError):
        fetched(recorder.settings, recorder.url())


@pytest.mark.parametrize("status", [204, 206, 304, 401, 403, 404, 500, 503])
def test_only_a_whole_answer_counts(recorder: Recorder, status: int) -> None:
    recorder.answer = lambda handler: respond(handler, b"", status)
    with pytest.raises(FetchError, match=str(status)) as error:
        fetched(recorder.settings, recorder.url("/?token=secret"))
    assert "secret" not in error.value.cause
    assert error.value.can_retry


def test_compressed_answers_are_not_unpacked(recorder: Recorder) -> None:
    """What is stored is what came: an answer of a few bytes must not become gigabytes."""
    recorder.answer = lambda handler: respond(handler, b"\x1f\x8bpacked", **{"Content-Encoding": "gzip"})
    assert fetched(recorder.settings, recorder.url())[1] == b"\x1f\x8bpacked"


def test_a_server_that_is_away_or_speaks_no_http(recorder: Recorder) -> None:
    recorder.answer = lambda handler: handler.wfile.write(b"nonsense\r\n\r\n") and None
    with pytest.raises(FetchError):
        fetched(recorder.settings, recorder.url())
    with pytest.raises(FetchError):
        fetched(recorder.settings, "http://recorder.local:1/a.wav")


def test_a_proxy_of_the_environment_is_not_used(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetched(recorder.settings, recorder.url())[1] == b"sound"


def test_what_the_reader_raises_passes(recorder: Recorder) -> None:
    def read() -> None:
        with download(recorder.settings, recorder.url(), resolver=LOCAL) as (_, chunks):
            next(chunks)
            raise QingtingError("mine")

    with pytest.raises(QingtingError, match="mine"):
        read()
