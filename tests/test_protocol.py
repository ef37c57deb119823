"""The daemon against PROTOCOL.md: the page's own example, clients that nobody here wrote, and what cannot be read."""
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

import msgpack
import pytest

from support import PATIENCE, ROOT
from support.rpc import Closed

PAGE = (ROOT / "proto" / "PROTOCOL.md").read_text()
FRAME = 64 << 10


def block(language):
    return re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S).group(1)


def members(heading):
    """The names in the first column of a section's table; those with a '?' or the word 'absent' may be missing."""
    text = PAGE.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \|(.*)$", text, re.M)
    assert rows, heading
    return {name: "absent" in rest for name, rest in rows}


def check_members(heading, value):
    known = members(heading)
    assert set(value) <= set(known), f"{heading} does not list {set(value) - set(known)}"
    missing = {name for name in set(known) - set(value) if not known[name]}
    assert not missing, f"{heading}: {missing} is not sent"


def hex_of(side):
    return b"".join(
        bytes.fromhex(match) for match in re.findall(rf"^{side} ((?:[0-9a-f]{{2}} )*[0-9a-f]{{2}})(?=  |$)", block("hex"), re.M))


@pytest.fixture
def example(tmp_path):
    """Runs the page's client with a prompt on a socket."""
    path = tmp_path / "client.py"
    path.write_text(block("python"))

    def run(at, *words):
        return subprocess.run(
            [sys.executable, "-W", "error", str(path), *words], env={**os.environ, "FREELLM_SOCKET": str(at)},
            capture_output=True, text=True, timeout=PATIENCE)

    return run


def test_example_against_the_hex_session(example):
    """The page's client, when a server says, a byte at a time, what the page says a daemon sends to it."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(hex_of("<"))
    answer = b"".join(msgpack.packb(message) for message in unpacker if message[1] not in (0, 2) or message[0] == 2)
    asked = []

    with tempfile.TemporaryDirectory(prefix="freellm-") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(PATIENCE)
        listener.bind(f"{folder}/s")
        listener.listen()

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                asked.append(msgpack.unpackb(connection.recv(65536)))
                for i in range(len(answer)):
                    connection.sendall(answer[i:i + 1])

        server = threading.Thread(target=serve)
        server.start()
        done = example(f"{folder}/s", "Say", "hi")
        server.join()
    assert asked == [[0, 1, "submit", [{"prompt": "Say hi", "stream": True}]]]
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hi!\n", "by lab/small\n")


def test_example_against_the_daemon(example, daemon):
    first = example(daemon.socket, "What is 6 times 7?")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip()
    assert first.stderr == "by mock/mock\n"
    again = example(daemon.socket, "What is 6 times 7?")
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "from the cache\n")
    refused = example(daemon.socket, " ")
    assert refused.returncode != 0
    assert "bad_request: `prompt` is empty" in refused.stderr


def test_hex_session_against_the_daemon(daemon):
    """The bytes of the page's client; the daemon's answers are of the same kinds, and in the same order."""
    with daemon.client() as client:
        client.send_raw(hex_of(">"))
        kinds = []
        while not {0, 1, 2} <= set(client.responses):
            message = client.step()
            kinds.append((message[0], message[1]))
    assert client.responses[0][1]["server"] == "freellmd"
    error, result = client.responses[1]
    assert error is None
    events = [name for name, _ in client.events[1]]
    assert events[0] == "started" and events.count("chunk") >= 1 and set(events) == {"started", "chunk"}
    assert "".join(params.get("text", "") for name, params in client.events[1] if name == "chunk") == result["text"]
    error, result = client.responses[2]
    assert result is None
    assert error == {"code": "bad_request", "message": "`prompt` is empty"}


def test_results_are_as_listed(client):
    check_members("### hello: result", client.call("hello", {"protocol": 1, "client": "test"}))
    completion = client.submit("What is listed?")
    check_members("### submit: result", completion)
    for attempt in completion["attempts"]:
        check_members("### Attempts", attempt)
    cached = client.submit("What is listed?")
    assert cached["cached"] and cached["attempts"] == []
    check_members("### submit: result", cached)
    check_members("### cancel: result", client.call("cancel", {"msgid": 77}))
    check_members("### status: result", client.call("status"))
    models = client.call("models")
    check_members("### models: result", models)
    for model in models["models"]:
        check_members("### models: element", model)


def test_pynvim(daemon, mock):
    """Debian's pynvim: it begins with a notification of another protocol; ours come while a request is pending."""
    msgpack_rpc = pytest.importorskip("pynvim.msgpack_rpc")
    mock.script({"chunks": 3})
    session = msgpack_rpc.socket_session(str(daemon.socket))
    try:
        session.error_wrapper = lambda error: RuntimeError(error["code"])
        assert session.request("hello", {"protocol": 1})["server"] == "freellmd"
        result = session.request("submit", {"prompt": "Say hi", "stream": True, "model": "mock/mock"})
        names, text = [], ""
        while session._pending_messages:
            kind, name, params = session.next_message()
            assert kind == "notification"
            names.append(name)
            text += params[0].get("text", "")
        assert names[0] == "started" and names.count("chunk") >= 3
        assert text == result["text"] != ""
        with pytest.raises(RuntimeError, match="bad_request"):
            session.request("submit", {"prompt": ""})
        with pytest.raises(RuntimeError, match="bad_request"):
            session.request("submit", "two", "strings")
        assert session.request("status")["jobs"]["done"] == 1
    finally:
        session.loop.close()


def test_wrong_requests_cost_only_themselves(client):
    for message in (
        [0, 1, "no_such_method", [{}]], [0, 1, "submit", []], [0, 1, "submit", [{}]], [0, 1, "submit", [[]]],
        [0, 1, "submit", {}], [0, 1, "submit", [{}, {}]], [0, 1, "submit", [{"prompt": 5}]],
        [0, 1, "submit", [{"prompt": "a\0b"}]], [0, 1, "submit", [{"prompt": "x", "tools": [b"\xff"]}]],
        [0, 1, "submit", [{"prompt": "x", "temperature": float("nan")}]], [0, 1, "submit", [{"prompt": "x", 5: 6}]],
        [0, 1, "submit", [{"prompt": b"bytes"}]], [0, 1, "hello", [{"protocol": 2}]], [0, 1, "cancel", [{}]],
    ):
        client.send_raw(msgpack.packb(message))
        error, result = client.wait(1)
        assert result is None and error["code"] == "bad_request" and error["message"], message
        del client.responses[1]
    client.send_raw(msgpack.packb([2, b"nvim_set_client_info", ["x", {}, 5]]))
    assert client.submit("Still there?")["text"]


REFUSED = {
    "a byte that is never used": (b"\xc1", None, "bad_request"),
    "the same within a request": (b"\x94\x00\x07\xa6submit\x91\xc1", 7, "bad_request"),
    "2^32 elements": (b"\xdd\xff\xff\xff\xff", None, "too_large"),
    "2^32 elements in a request": (b"\x94\x00\x07\xa6submit\xdd\xff\xff\xff\xff", 7, "too_large"),
    "a map of 2^32": (b"\x94\x00\x07\xa6submit\x91\xdf\xff\xff\xff\xff", 7, "too_large"),
    "a string of 2^32 - 1": (b"\x94\x00\x07\xa6submit\x91\x81\xa6prompt\xdb\xff\xff\xff\xff", 7, "too_large"),
    "one byte too long": (b"\x94\x00\x07\xa6submit\x91\x81\xa6prompt\xdb" + (FRAME - 23).to_bytes(4, "big"), 7, "too_large"),
    "nested 1,000 deep": (b"\x94\x00\x07\xa6submit" + b"\x91" * 1000, 7, "bad_request"),
    "no array": (b"\x05", None, "bad_request"),
    "an empty array": (b"\x90", None, "bad_request"),
    "an unknown kind": (msgpack.packb([3, 7, "submit", []]), None, "bad_request"),
    "too few elements": (msgpack.packb([0, 7, "submit"]), 7, "bad_request"),
    "a msgid out of range": (msgpack.packb([0, 1 << 32, "submit", [{}]]), None, "bad_request"),
    "a negative msgid": (msgpack.packb([0, -1, "submit", [{}]]), None, "bad_request"),
    "a method that is none": (msgpack.packb([0, 7, 5, [{}]]), 7, "bad_request"),
    "a response": (msgpack.packb([1, 7, None, {}]), None, "bad_request"),
}


def test_what_cannot_be_read(start_daemon, mock):
    daemon = start_daemon(mock, options={"limits": {"max_frame": FRAME}})
    for what, (data, msgid, code) in REFUSED.items():
        with daemon.client() as client:
            client.send_raw(data)
            message = client.receive()
            if msgid is None:
                assert message[:2] == [2, "error"], (what, message)
                error = message[2][0]
            else:
                assert message[:2] == [1, msgid] and message[3] is None, (what, message)
                error = message[2]
            assert error["code"] == code and error["message"], (what, message)
            # The rest is thrown away, and then the connection is closed.
            client.send_raw(b"\x00" * 4096)
            client.socket.shutdown(socket.SHUT_WR)
            with pytest.raises(Closed):
                client.receive()
    with daemon.client() as client:
        assert client.submit("Still there?")["text"]


def test_a_message_as_long_as_allowed(start_daemon, mock):
    daemon = start_daemon(mock, options={"limits": {"max_frame": FRAME}})
    with daemon.client() as client:
        assert client.call("hello")["limits"]["frame_bytes"] == FRAME
        short = msgpack.packb([0, 99, "submit", [{"prompt": "x" * 0x1000}]])
        client.send_raw(msgpack.packb([0, 99, "submit", [{"prompt": "x" * (FRAME - len(short) + 0x1000)}]]))
        error, result = client.wait(99)
        assert error is None and result["text"]
        client.send_raw(msgpack.packb([0, 99, "submit", [{"prompt": "x" * (FRAME - len(short) + 0x1001)}]]))
        message = client.receive()
        assert message[:2] == [1, 99] and message[2]["code"] == "too_large"
