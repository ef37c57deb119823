"""freellm-submit with a daemon that does what the real one never would."""
import json
import os
import struct

import msgpack
import pytest
from support import BUILD
from support.fake_daemon import FakeDaemon, completion, event, refusal, response
from support.submit import COMMAND, run

pytestmark = pytest.mark.skipif(not os.path.exists(COMMAND), reason=f"no freellm-submit in {BUILD}")


def ask(folder, answer, *words, **options):
    with FakeDaemon(folder, answer, **options) as fake:
        return run(fake.path, "hello", *words)


def check(result, status, *parts):
    assert result.returncode == status and result.stderr.count("\n") == 1, result
    for part in parts:
        assert part in result.stderr
    return result


GARBAGE = {
    "no messagepack": b"\xc1\xc1\xc1",
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a number": b"\x05",
    "an empty array": b"\x90",
    "a response of three": msgpack.packb([1, 1, None]),
    "a response with both": msgpack.packb([1, 1, {}, {}]),
    "an array of 2^32": b"\xdd\xff\x00\x00\x00",
    "a string of 4 GB": b"\x94\x01\x01\xc0\xdb\xff\xff\xff\xff",
    "64 MiB and more": b"\x94\x01\x01\xc0\x81\xa4text\xdb" + struct.pack(">I", (64 << 20) + 1),
    "nested a thousand deep": b"\x91" * 1000,
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("when", ["hello", "submit"])
@pytest.mark.parametrize("linger", [False, True])
def test_garbage(tmp_path, name, when, linger):
    data = GARBAGE[name]
    result = ask(tmp_path, lambda msgid: data, hello=data if when == "hello" else None, linger=linger)
    check(result, 70, "bad_answer: ", "cannot be understood")


@pytest.mark.parametrize("wrong", [
    {}, {"text": 5}, {"target": "no slash"}, {"usage": []}, {"attempts": {}}, {"attempts": [5]}, {"message": "x"},
    {"text": b"\xff"}, {"timing": 7}, {"cached": "no"}, {"message": {5: 6}}, {"message": {"x": float("nan")}},
])
def test_completions_that_are_none(tmp_path, wrong):
    result = completion(**wrong) if wrong else {}
    packed = msgpack.packb([1, 2, None, result], use_bin_type=False)
    check(ask(tmp_path, lambda msgid: packed), 70, "bad_answer: ")


def test_an_answer_that_is_cut_anywhere(tmp_path):
    whole = response(2, completion("cut"))
    for cut in list(range(0, len(whole), 17)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        check(ask(folder, lambda msgid: whole[:cut]), 74, "interrupted: ", "went away")


def test_an_answer_byte_by_byte(tmp_path):
    def answer(msgid):
        whole = event("chunk", msgid=msgid, text="fi") + event("chunk", msgid=msgid, text="ne") + response(
            msgid, completion())
        return [bytes([byte]) for byte in whole]

    result = ask(tmp_path, answer)
    assert (result.returncode, result.stdout) == (0, "fine")


def test_what_is_not_known_is_ignored(tmp_path):
    def answer(msgid):
        return [event("thinking", msgid=msgid, about="it"), event("chunk", msgid=77, text="another's"),
                msgpack.packb([2, "news", []]), event("chunk", msgid=msgid, neither=1),
                event("started", msgid=msgid, target=5), msgpack.packb([0, 5, "ask", [{}]]),
                response(99, {"x": 1}), event("chunk", msgid=msgid, text="fine", more=5),
                response(msgid, completion(colour="red"))]

    result = ask(tmp_path, answer)
    assert (result.returncode, result.stdout, result.stderr) == (0, "fine", "")


def test_an_unknown_code_is_internal(tmp_path):
    result = ask(tmp_path, lambda msgid: refusal(msgid, {"code": "moon_phase", "message": "wrong moon"}), linger=True)
    check(result, 70, "moon_phase: wrong moon")


@pytest.mark.parametrize("error", [{}, {"code": 5}, {"code": "internal", "message": 5},
                                   {"code": "internal", "attempts": 5}])
def test_errors_that_are_none(tmp_path, error):
    check(ask(tmp_path, lambda msgid: refusal(msgid, error)), 70, "bad_answer: ")


def test_a_code_and_a_message_that_are_hostile(tmp_path):
    error = {"code": "a\x1b[2Jb", "message": b"x\xff\x1b[2J\ny"}
    packed = msgpack.packb([1, 2, error, None], use_bin_type=False)
    result = check(ask(tmp_path, lambda msgid: packed, linger=True), 70, "internal: x? [2J y")
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("code, status", [
    ("bad_request", 65), ("too_large", 65), ("unauthorized", 77), ("prompt_rejected", 65), ("privacy_denied", 65),
    ("no_provider", 69), ("no_key", 69), ("quota_exhausted", 75), ("deadline_exceeded", 75), ("queue_full", 75),
    ("client_limit", 75), ("upstream_rejected", 69), ("upstream_unavailable", 69), ("content_filtered", 65),
    ("interrupted", 74), ("cancelled", 130), ("shutting_down", 69), ("internal", 70),
])
def test_exit_codes(tmp_path, code, status):
    result = ask(tmp_path, lambda msgid: refusal(msgid, {"code": code, "message": "so it is"}), linger=True)
    check(result, status, f"freellm-submit: {code}: so it is\n")


def test_a_time_to_try_again(tmp_path):
    error = {"code": "upstream_unavailable", "message": "busy", "retry_at_ms": 4_000_000_000_000}
    result = ask(tmp_path, lambda msgid: refusal(msgid, error), "--json", linger=True)
    check(result, 75, "try again at 2096-")
    assert json.loads(result.stdout)["error"] == error


def test_the_daemon_refuses_hello(tmp_path):
    packed = refusal(1, {"code": "unauthorized", "message": "not you"})
    check(ask(tmp_path, lambda msgid: b"", hello=packed), 77, "unauthorized: not you")


def test_an_error_without_a_request(tmp_path):
    packed = msgpack.packb([2, "error", [{"code": "shutting_down", "message": "bye"}]])
    check(ask(tmp_path, lambda msgid: packed), 69, "shutting_down: bye")
    (tmp_path / "2").mkdir()
    check(ask(tmp_path / "2", lambda msgid: b"", hello=packed), 69, "shutting_down: bye")


def test_a_daemon_that_closes_at_once(tmp_path):
    check(ask(tmp_path, lambda msgid: b"", hello=b""), 69, "no_daemon: ")


def test_text_with_nul(tmp_path):
    result = ask(tmp_path, lambda msgid: response(msgid, completion("a\0b")), "--json")
    assert json.loads(result.stdout)["text"] == "a\0b"
    (tmp_path / "2").mkdir()
    assert ask(tmp_path / "2", lambda msgid: response(msgid, completion("a\0b"))).stdout == "a\0b"


def test_a_large_answer(tmp_path):
    text = "words " * 5_000_000
    result = ask(tmp_path, lambda msgid: response(msgid, completion(text)))
    assert result.returncode == 0 and result.stdout == text


def test_what_is_sent(tmp_path):
    with FakeDaemon(tmp_path, lambda msgid: response(msgid, completion())) as fake:
        run(fake.path, "hello", "--class", "batch", "--ttl", "60", "--deadline", "1.5", "--cache", "refresh", "-m", "m",
            "--system", "s", "--param", "seed=5")
    hello, submit = fake.received
    assert hello[2:] == ["hello", [{"protocol": 1, "client": "freellm-submit"}]]
    assert submit[2:] == ["submit", [{
        "prompt": "hello", "system": "s", "model": "m", "stream": True, "class": "batch", "cache": "refresh", "ttl": 60,
        "deadline_ms": 1500, "seed": 5}]]
