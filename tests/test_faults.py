"""What providers do wrong, and what is made of it: retries, failover, clear errors, and a daemon that serves on."""
import email.utils
import json
import time

import pytest
from support.mock import expected_echo
from support.rpc import RpcError

QUICK = {"retry": {"backoff_base": "1 ms", "backoff_max": "5 ms"}}


@pytest.fixture
def daemon(mock, start_daemon):
    return start_daemon(mock, options={**QUICK, "http": {"first_byte_timeout": "1 s", "stall_timeout": "1 s"}})


def fails(client, **params):
    with pytest.raises(RpcError) as refused:
        client.submit("a prompt", **params)
    return refused.value.error


def statuses(attempts):
    return [a["status"] for a in attempts]


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_transient_statuses_are_retried(mock, client, status):
    mock.script({"status": status, "body": "{}", "times": 2})
    result = client.submit("again please")
    assert result["text"] == expected_echo("mock", "again please")
    assert statuses(result["attempts"]) == [status, status, 200]
    assert all(a["error"] for a in result["attempts"][:2]) and not result["attempts"][2]["error"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_bad_requests_are_not_retried(mock, client, status):
    mock.script({"status": status, "body": json.dumps({"error": {"message": "this parameter is wrong"}})})
    error = fails(client)
    assert error["code"] == "upstream_rejected" and "this parameter is wrong" in error["message"]
    assert statuses(error["attempts"]) == [status]
    assert mock.stats()["requests"] == 1


@pytest.mark.parametrize("status", [401, 403, 402, 404, 410])
def test_a_target_that_cannot_serve(mock, client, status):
    mock.script({"status": status, "body": json.dumps({"error": {"message": "not for you"}})})
    error = fails(client)
    assert error["code"] == "upstream_rejected" and "not for you" in error["message"]
    assert mock.stats()["requests"] == 1


def test_attempts_are_bounded(mock, client):
    mock.config(defaults={"status": 500, "body": "{}"})
    error = fails(client)
    assert error["code"] == "upstream_unavailable"
    assert statuses(error["attempts"]) == [500] * 4
    assert mock.stats()["requests"] == 4


def test_retry_after_is_waited_for(mock, client):
    mock.script({"status": 429, "headers": {"Retry-After": "1"}, "body": "{}"})
    msgid = client.request("submit", {"prompt": "later", "model": "mock/mock"})
    error, result = client.wait(msgid)
    assert error is None and statuses(result["attempts"]) == [429, 200]
    first, second = mock.log()
    assert second["started_us"] - first["started_us"] >= 1_000_000
    names = [name for name, _ in client.events[msgid]]
    assert names == ["started", "retrying", "queued", "started"]
    queued = dict(client.events[msgid])["queued"]
    assert 0 < queued["eta_ms"] <= 1001 and queued["reason"]


@pytest.mark.parametrize("name, value", [
    ("Retry-After", lambda now: "3600"),
    ("Retry-After", lambda now: email.utils.formatdate(now + 3600, usegmt=True)),
    ("X-RateLimit-Reset", lambda now: str(int((now + 3600) * 1000))),
])
def test_a_wait_that_is_too_long_ends_with_its_time(mock, client, name, value):
    before = time.time() * 1000
    mock.script({"status": 429, "headers": {name: value(time.time())}, "body": "{}"})
    error = fails(client)
    assert error["code"] == "upstream_unavailable"
    assert before + 3_500_000 < error["retry_at_ms"] < before + 3_700_000
    assert mock.stats()["requests"] == 1


def test_a_deadline_that_cannot_be_kept(mock, client):
    mock.script({"status": 429, "headers": {"Retry-After": "60"}, "body": "{}"})
    error = fails(client, deadline_ms=5000)
    assert error["code"] == "deadline_exceeded" and error["retry_at_ms"] > time.time() * 1000 + 50_000


def test_a_deadline_that_passes(mock, client):
    error = fails(client, deadline_ms=300, mock={"fault": "hang_before_headers"})
    assert error["code"] == "deadline_exceeded"


def test_refused_connections_are_retried(mock, client):
    client.submit("warm up")
    mock.script({"fault": "refuse"})
    msgid = client.request("submit", {"prompt": "then again", "model": "mock/mock", "stream": True})
    error, result = client.wait(msgid)
    assert error is None and result["text"] == expected_echo("mock", "then again")


def test_nobody_listens(start_daemon):
    daemon = start_daemon(None, options=QUICK, extra="[provider lab]\nbase_url = http://127.0.0.1:1/v1\n")
    with daemon.client() as client:
        error = fails(client, model="lab/x")
        assert error["code"] == "upstream_unavailable" and len(error["attempts"]) == 4
        assert "connect" in error["message"].lower()


STREAM_FAULTS = ["close_before_headers", "close_in_headers", "reset_in_headers", "hang_before_headers",
                 "hang_after_headers", "garbage", "bad_chunk"]


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_a_stream_that_fails_before_content_is_retried(mock, client, fault):
    mock.script({"fault": fault, "after": 0})
    msgid = client.request("submit", {"prompt": "stream it", "model": "mock/mock", "stream": True})
    error, result = client.wait(msgid)
    assert error is None, error
    assert result["text"] == expected_echo("mock", "stream it") == client.text_of_chunks(msgid)
    assert len(result["attempts"]) == 2 and result["attempts"][0]["error"]


@pytest.mark.parametrize("fault", ["hang_before_headers", "reset_in_headers"])
def test_a_whole_answer_that_is_lost_is_not_asked_for_twice(mock, client, fault):
    client.submit("warm up")
    mock.reset()
    mock.script({"fault": fault})
    error = fails(client, stream=False)
    assert error["code"] == "upstream_unavailable" and "not sent again" in error["message"]
    assert mock.stats()["requests"] == 1


@pytest.mark.parametrize("fault", ["reset_mid_stream", "close_mid_stream", "hang_mid_stream"])
def test_a_stream_that_breaks_after_content_is_interrupted(mock, client, fault):
    msgid = client.request("submit", {"prompt": "half a story", "model": "mock/mock", "stream": True,
                                      "mock": {"chunks": 10, "fault": fault, "after": 3}})
    error, _ = client.wait(msgid)
    assert error["code"] == "interrupted" and len(error["attempts"]) == 1
    assert client.text_of_chunks(msgid)
    assert mock.stats()["requests"] == 1
    # And it is not kept.
    mock.config(defaults={})
    assert not client.submit("half a story", stream=True)["cached"]


def test_an_error_inside_a_stream_before_content_is_retried(mock, client):
    mock.script({"error_in_stream": {"message": "overloaded", "code": 503}, "after": 0})
    _, result = client.wait(client.request("submit", {"prompt": "p", "model": "mock/mock", "stream": True}))
    assert result["text"] == expected_echo("mock", "p") and len(result["attempts"]) == 2


def test_an_error_inside_a_stream_after_content(mock, client):
    msgid = client.request("submit", {
        "prompt": "p", "model": "mock/mock", "stream": True,
        "mock": {"chunks": 5, "after": 2, "error_in_stream": {"message": "the machine broke", "code": 500}}})
    error, _ = client.wait(msgid)
    assert error["code"] == "interrupted" and "the machine broke" in error["message"]


def test_failover_to_the_next_target(start_mock, start_daemon):
    bad, good = start_mock(), start_mock()
    bad.config(defaults={"status": 500, "body": "{}"})
    daemon = start_daemon(bad, options={
        "daemon": {"default_model": "mock/mock, other/mock"}, **QUICK,
        "provider other": {"base_url": good.url}, "model other/mock": {"context": 1000}})
    with daemon.client() as client:
        result = client.call("submit", {"prompt": "anybody"})
        assert result["target"] == "other/mock"
        assert [a["provider"] for a in result["attempts"]] == ["mock", "other"]


@pytest.mark.parametrize("behaviour", [
    {"wrong": "html", "content_type": "text/html", "body": "<html><body>Bad gateway</body></html>"},
    {"wrong": "empty", "body": ""},
    {"wrong": "json", "body": "[1, 2, 3]"},
    {"wrong": "half", "body": '{"choices": [{"message": {"content": "cut'},
])
def test_garbled_whole_answers_are_errors(mock, client, behaviour):
    behaviour = {k: v for k, v in behaviour.items() if k != "wrong"}
    mock.config(defaults={"status": 200, **behaviour})
    error = fails(client, stream=False)
    assert error["code"] in ("upstream_rejected", "upstream_unavailable")
    mock.config(defaults={})
    assert client.submit("after that")["text"] == expected_echo("mock", "after that")


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_of_a_gigabyte(mock, daemon, client, stream):
    client.submit("warm up")
    before = daemon.rss
    error = fails(client, stream=stream, mock={"huge_body": 1 << 30})
    assert error["code"] in ("too_large", "interrupted", "upstream_rejected", "upstream_unavailable")
    mock.wait_idle()
    assert max(r["bytes"] for r in mock.log()) < 1 << 28
    assert client.submit("and the next")["text"] == expected_echo("mock", "and the next")
    assert daemon.memory_is_below(before + (48 << 20))


def test_a_header_of_a_megabyte(mock, daemon, client):
    error = fails(client, mock={"huge_header": 1 << 20})
    assert error["code"] == "upstream_unavailable" and "header" in error["message"]
    assert client.submit("and the next")["text"] == expected_echo("mock", "and the next")


def test_slow_drip_and_gzip_and_crlf(mock, client):
    for i, behaviour in enumerate(({"fault": "slow_drip"}, {"gzip": True}, {"crlf": True, "split_data": True},
                                   {"no_done": True}, {"comments": 10, "keepalive_ms": 1, "first_content_ms": 20})):
        msgid = client.request("submit", {"prompt": f"odd {i}", "model": "mock/mock", "stream": True, "mock": behaviour})
        error, result = client.wait(msgid)
        assert error is None, (behaviour, error)
        assert client.text_of_chunks(msgid) == expected_echo("mock", f"odd {i}")


def test_key_goes_to_its_host_and_nowhere_else(start_mock, start_daemon):
    secret = "sk-test-0123456789abcdefSECRET"
    mock = start_mock("--key", secret)
    daemon = start_daemon(mock, options={"provider mock": {"key": "env:LAB_KEY"}, "daemon": {"log_level": "debug"}, **QUICK},
                          env={"LAB_KEY": secret})
    with daemon.client() as client:
        result = client.submit("with a key")
        assert ["Authorization", f"Bearer {secret}"] in mock.log()[0]["headers"]
        mock.script({"status": 401, "body": json.dumps({"error": {"message": f"Incorrect API key provided: {secret}"}})})
        error = fails(client)
        shown = json.dumps([result, error, client.call("status"), client.call("models")])
    daemon.stop()
    for text in (shown, daemon.log, *(p.read_bytes().decode("latin1") for p in daemon.state.iterdir())):
        assert secret not in text and secret[8:] not in text


def test_a_refused_key_gives_way_to_the_next(start_mock, start_daemon):
    mock = start_mock("--key", "good-key-12345678")
    daemon = start_daemon(mock, options={
        "key mock/a": {"source": "env:KEY_A"}, "key mock/b": {"source": "env:KEY_B"}, **QUICK},
        env={"KEY_A": "bad-key-12345678", "KEY_B": "good-key-12345678"})
    with daemon.client() as client:
        result = client.submit("two keys")
        assert statuses(result["attempts"]) == [401, 200]
        assert statuses(client.submit("the bad one is not tried again")["attempts"]) == [200]
    assert "refused key k-" in daemon.log


def test_no_key(start_daemon, mock):
    daemon = start_daemon(None, extra=f"[provider lab]\nbase_url = {mock.url}\nneeds_key = yes\nenv = LAB_API_KEY\n")
    with daemon.client() as client:
        error = fails(client, model="lab/x")
        assert error["code"] == "no_key" and "LAB_API_KEY" in error["message"]
