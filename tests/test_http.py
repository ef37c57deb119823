"""How requests travel: TLS, HTTP/2, keep-alive, proxies, redirects."""
import pytest
from support import wait_until
from support.mock import expected_echo
from support.rpc import RpcError
from support.tls import ConnectProxy, HttpsProvider, Listener, answer

KEY = "key-0123456789abcdef"


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(kind, *arguments, **options):
        server = kind(*arguments, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def start_https(serve, start_daemon, tmp_path):
    """A daemon whose provider speaks TLS; returns both."""

    def start(ca=True, env=None, **options):
        provider = serve(HttpsProvider, tmp_path, **options)
        http = {"ca_file": provider.certificate} if ca else {}
        daemon = start_daemon(None, options={
            "provider lab": {"base_url": provider.url, "key": "env:LAB_KEY"}, "http": http,
            "retry": {"backoff_base": "1 ms", "backoff_max": "2 ms"}}, env={"LAB_KEY": KEY, **(env or {})})
        return provider, daemon

    return start


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_tls_with_either_protocol(start_https, protocol):
    provider, daemon = start_https(protocols=(protocol,))
    with daemon.client() as client:
        for i in range(5):
            msgid = client.request("submit", {"prompt": f"number {i}", "model": "lab/x", "stream": i % 2 == 0})
            error, result = client.wait(msgid)
            assert error is None and result["text"].strip() == f"answer to number {i}"
    assert [p for p, _ in provider.requests] == [protocol] * 5
    assert all(headers["authorization"] == f"Bearer {KEY}" for _, headers in provider.requests)
    assert all(headers["user-agent"].startswith("freellmd/") for _, headers in provider.requests)
    assert provider.connections == 1


def test_http2_multiplexes(start_https):
    """The provider answers nobody before 20 requests are open at once, on one connection."""
    provider, daemon = start_https(hold=20)
    with daemon.client() as client:
        ids = {client.request("submit", {"prompt": f"p{i}", "model": "lab/x", "stream": True}): i for i in range(20)}
        for msgid, i in ids.items():
            error, result = client.wait(msgid)
            assert error is None and result["text"].strip() == f"answer to p{i}"
    assert provider.connections == 1


def test_a_certificate_that_nobody_signed(start_https):
    provider, daemon = start_https(ca=False)
    with daemon.client() as client, pytest.raises(RpcError) as error:
        client.submit("x", model="lab/x")
    assert error.value.code == "upstream_unavailable" and "certificate" in error.value.error["message"]
    assert provider.requests == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy_of_the_environment(serve, start_https, name):
    proxy = serve(ConnectProxy)
    provider, daemon = start_https(env={name: proxy.url})
    with daemon.client() as client:
        assert client.submit("through", model="lab/x")["text"] == "answer to through"
    assert proxy.lines == [f"CONNECT localhost:{provider.port} HTTP/1.1"]


def test_no_proxy(serve, start_https):
    proxy = serve(ConnectProxy)
    _, daemon = start_https(env={"HTTPS_PROXY": proxy.url, "NO_PROXY": "localhost,other.example"})
    with daemon.client() as client:
        assert client.submit("past it", model="lab/x")["text"] == "answer to past it"
    assert proxy.lines == []


def test_plain_http_never_uses_a_proxy(serve, mock, start_daemon):
    proxy = serve(ConnectProxy)
    daemon = start_daemon(mock, env={"http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "ALL_PROXY": proxy.url})
    with daemon.client() as client:
        assert client.submit("local")["text"] == expected_echo("mock", "local")
    assert proxy.lines == []


def test_redirects_are_not_followed(start_mock, start_daemon):
    other = start_mock()
    mock = start_mock()
    mock.script({"status": 307, "headers": {"Location": other.url + "/chat/completions"}, "body": ""})
    daemon = start_daemon(mock, options={"provider mock": {"key": "env:LAB_KEY"}}, env={"LAB_KEY": KEY})
    with daemon.client() as client, pytest.raises(RpcError):
        client.submit("elsewhere")
    assert other.stats()["requests"] == 0


def test_connections_to_one_host_are_bounded(mock, start_daemon):
    daemon = start_daemon(mock, options={"http": {"max_connections": 2}})
    with daemon.client() as client:
        ids = [client.request("submit", {"prompt": f"p{i}", "model": "mock/mock", "stream": True,
                                         "mock": {"chunks": 3, "pace_ms": 5}}) for i in range(12)]
        for msgid in ids:
            assert client.wait(msgid)[0] is None
    assert mock.stats()["peak_in_flight"] == 2


class StaysOpen(Listener):
    """Sends a whole stream with its [DONE], and then neither ends the body nor closes."""

    def serve(self, connection):
        connection.recv(65536)
        _, blocks = answer(b'{"messages": [{"content": "the end"}], "stream": true}')
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(blocks))
        connection.recv(1)
        self.closed = True


def test_an_answer_ends_with_done_even_if_its_body_does_not(serve, start_daemon):
    provider = serve(StaysOpen)
    daemon = start_daemon(None, options={"provider lab": {"base_url": f"http://127.0.0.1:{provider.port}/v1"}})
    with daemon.client() as client:
        error, result = client.wait(client.request("submit", {"prompt": "x", "model": "lab/x", "stream": True}))
        assert error is None and result["text"].strip() == "answer to the end"
        assert result["timing"]["total_ms"] < 50_000  # and not stall_timeout
    wait_until(lambda: getattr(provider, "closed", False), "the connection to be closed")
