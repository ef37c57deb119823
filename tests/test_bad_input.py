"""What clients do wrong. Each time: a clear error with its code, the next request is served, and memory comes back."""
import os
import signal
import socket
import struct
import subprocess
import time

import msgpack
import pytest
from support import BUILD, wait_until
from support.mock import expected_echo
from support.rpc import Closed, RpcError

KB = 1024
MB = 1024 * KB


def serves(daemon, prompt="still there"):
    with daemon.client() as client:
        assert client.submit(prompt, cache="off")["text"] == expected_echo("mock", prompt)


def refused(client, raw, msgid=None):
    """Sends bytes; returns the error for msgid, or of the notification, after which the daemon closes."""
    try:
        client.send_raw(raw)
    except (BrokenPipeError, ConnectionResetError):
        pass
    while True:
        client.step()
        if msgid is not None and msgid in client.responses:
            return client.responses[msgid][0]
        if client.notifications:
            name, error = client.notifications[0]
            assert name == "error"
            return error


HEADER = b"\x94\x00\x07\xa6submit\x91"  # [0, 7, "submit", [ ...


@pytest.mark.parametrize("raw, code", [
    (b"\xdd\xff\xff\xff\xff", "too_large"),
    (b"\xdf\xff\xff\xff\xff", "too_large"),
    (b"\xdb\xff\xff\xff\xff", "too_large"),
    (b"\xc6\xff\xff\xff\xff", "too_large"),
    (b"\xc9\xff\xff\xff\xff\x01", "too_large"),
    (b"\xdd\xff\x00\x00\x00", "too_large"),
    (b"\x91" * 1000, "bad_request"),
    (b"\x81\xa1a" * 1000, "bad_request"),
    (b"\xc1", "bad_request"),
    (b"GET / HTTP/1.1\r\n\r\n", "bad_request"),
    (msgpack.packb(42), "bad_request"),
    (msgpack.packb([]), "bad_request"),
    (msgpack.packb([9, 1, "submit", [{}]]), "bad_request"),
    (msgpack.packb([1, 1, None, {}]), "bad_request"),
    (msgpack.packb([0, -1, "submit", [{}]]), "bad_request"),
    (msgpack.packb([0, 2 ** 32, "submit", [{}]]), "bad_request"),
    (msgpack.packb([0, "x", "submit", [{}]]), "bad_request"),
    (msgpack.packb({"a": 1}), "bad_request"),
])
def test_frames_that_are_no_message(daemon, raw, code):
    with daemon.client() as client:
        error = refused(client, raw)
        assert error["code"] == code and error["message"]
    serves(daemon)


@pytest.mark.parametrize("raw, code", [
    (HEADER + b"\xdf\xff\xff\xff\xff", "too_large"),
    (HEADER + b"\x81\xa6prompt\xdb\xff\xff\xff\xff", "too_large"),
    (HEADER + b"\x91" * 1000, "bad_request"),
])
def test_a_refused_frame_that_has_a_msgid_is_answered_by_it(daemon, raw, code):
    with daemon.client() as client:
        assert refused(client, raw, 7)["code"] == code
        with pytest.raises((Closed, ConnectionResetError)):
            client.socket.shutdown(socket.SHUT_WR)
            client.receive()
    serves(daemon)


def test_a_message_cut_anywhere_waits_and_the_peer_may_vanish(daemon):
    message = msgpack.packb([0, 1, "submit", [{"prompt": "cut me", "model": "mock/mock"}]])
    for cut in range(len(message)):
        with daemon.client() as client:
            client.send_raw(message[:cut])
    serves(daemon)


def test_a_message_in_single_bytes(daemon, client):
    for byte in msgpack.packb([0, 1, "submit", [{"prompt": "slowly", "model": "mock/mock"}]]):
        client.send_raw(bytes([byte]))
    error, result = client.wait(1)
    assert error is None and result["text"] == expected_echo("mock", "slowly")


def test_half_a_message_and_then_silence(mock, start_daemon):
    daemon = start_daemon(mock, options={"limits": {"session_idle": "1 s"}})
    with daemon.client() as idle, daemon.client() as half:
        half.send_raw(HEADER)
        serves(daemon)
        with pytest.raises(Closed):
            half.receive()
        # Silence without half a message is nothing to be closed for.
        assert idle.call("hello")["server"] == "freellmd"


def test_a_fifty_megabyte_prompt(daemon):
    serves(daemon)
    before = daemon.rss
    for _ in range(3):
        with daemon.client() as client:
            message = msgpack.packb([0, 1, "submit", [{"prompt": "x" * (50 * MB), "model": "mock/mock"}]])
            assert refused(client, message, 1)["code"] == "too_large"
    serves(daemon)
    assert daemon.memory_is_below(before + 4 * MB)


def test_a_prompt_just_below_the_cap(mock, daemon):
    serves(daemon)
    before = daemon.rss
    with daemon.client() as client:
        size = client.call("hello")["limits"]["frame_bytes"] - 100
        result = client.call("submit", {"prompt": "y" * size, "model": "mock/mock"})
        assert result["text"]
        assert mock.log(bodies=False)[-1]["body_bytes"] > size
    serves(daemon)
    wait_until(lambda: daemon.memory_is_below(before + 24 * MB), "the memory of a large prompt to come back", 20)


@pytest.mark.parametrize("params, word", [
    ({}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": " \n\t"}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": ["x"]}, "prompt"),
    ({"prompt": b"\xff\xfe"}, "prompt"),
    ({"prompt": "a\0b"}, "prompt"),
    ({"prompt": "x", "messages": [{"role": "user", "content": "y"}]}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": [1]}, "messages"),
    ({"messages": [{"content": "no role"}]}, "role"),
    ({"messages": [{"role": "user", "content": "nul \0 inside"}]}, "messages"),
    ({"prompt": "x", "model": 5}, "model"),
    ({"prompt": "x", "model": "m" * 300}, "model"),
    ({"prompt": "x", "model": "\x1b[31m"}, "model"),
    ({"prompt": "x", "stream": "yes"}, "stream"),
    ({"prompt": "x", "cache": "sometimes"}, "cache"),
    ({"prompt": "x", "class": "urgent"}, "class"),
    ({"prompt": "x", "ttl": -5}, "ttl"),
    ({"prompt": "x", "ttl": "1h"}, "ttl"),
    ({"prompt": "x", "deadline_ms": 0}, "deadline_ms"),
    ({"prompt": "x", "deadline_ms": 1e300}, "deadline_ms"),
    ({"prompt": "x", "n": 2}, "n"),
    ({"prompt": "x", "temperature": float("nan")}, "temperature"),
    ({"prompt": "x", "extra": {1: 2}}, "extra"),
    ({"prompt": "x", "extra": b"bytes"}, "extra"),
    ({"prompt": "x", "extra": msgpack.ExtType(5, b"x")}, "extra"),
    ({"prompt": "x", "extra": "nul \0"}, "extra"),
    ({"prompt": "x", "detach": True}, "detach"),
    ({"prompt": "x", "task": "code"}, "task"),
    ({"prompt": "x", "privacy": "strict"}, "privacy"),
])
def test_wrong_parameters_are_named(mock, client, params, word):
    with pytest.raises(RpcError) as error:
        client.call("submit", {"model": "mock/mock", **params})
    assert error.value.code == "bad_request" and word in error.value.error["message"]
    assert client.submit("next")["text"]
    assert mock.stats()["requests"] == 1


def test_text_that_is_not_utf8(mock, client):
    for raw in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ab\xe2\x82"):
        body = msgpack.packb({"model": "mock/mock"})
        map_of_two = b"\x82" + body[1:] + b"\xa6prompt" + bytes([0xa0 | len(raw)]) + raw
        msgid = next(client.msgids)
        client.send_raw(b"\x94\x00" + msgpack.packb(msgid) + b"\xa6submit\x91" + map_of_two)
        error, _ = client.wait(msgid)
        assert error["code"] == "bad_request" and "UTF-8" in error["message"]
    assert mock.stats()["requests"] == 0


@pytest.mark.parametrize("model", ["nobody/knows", "nobody", "mock/other", "/", "mock/", "/mock", "a b"])
def test_unknown_models(client, model):
    with pytest.raises(RpcError) as error:
        client.submit("x", model=model)
    assert error.value.code == "no_provider"


@pytest.mark.parametrize("method", ["", "Submit", "quota", "x" * 10000, "key.revoke"])
def test_unknown_methods(client, method):
    with pytest.raises(RpcError) as error:
        client.call(method)
    assert error.value.code == "bad_request"
    assert client.submit("next")["text"]


def test_a_newer_protocol_is_refused(client):
    assert client.call("hello", {"protocol": 1, "client": "test", "unknown": [1]})["protocol"] == 1
    with pytest.raises(RpcError) as error:
        client.call("hello", {"protocol": 2})
    assert error.value.code == "bad_request" and "protocol" in error.value.error["message"]


def test_a_msgid_that_is_in_use(mock, client):
    params = {"prompt": "slow", "model": "mock/mock", "stream": True, "mock": {"chunks": 3, "pace_ms": 50}}
    client.request("submit", params, msgid=5)
    client.wait_event(5, "started")
    client.send_raw(msgpack.packb([0, 5, "submit", [{"prompt": "other", "model": "mock/mock"}]]))
    codes = []
    while len(codes) < 2:
        message = client.receive()
        if message[0] == 1:
            codes.append(message[2] and message[2]["code"])
    assert codes == ["bad_request", None]


def test_unknown_notifications_are_ignored(client):
    client.notify("anything", {"x": 1})
    client.notify("submit", {"prompt": "nobody waits for this"})
    assert client.submit("next")["text"]


def test_a_client_that_never_reads(mock, start_daemon):
    """It is paused, so upstream is too, and dropped in the end; others do not notice, and memory does not grow."""
    daemon = start_daemon(mock, options={"limits": {"session_stall": "2 s", "session_buffer": "64 KiB"}})
    serves(daemon)
    before = daemon.rss
    with daemon.client() as deaf:
        # In one piece: once one of them fills the buffer, no more is read from this client.
        params = {"prompt": "endless", "model": "mock/mock", "stream": True, "cache": "off",
                  "mock": {"fault": "endless_stream", "chunk_bytes": 4096}}
        deaf.send_raw(b"".join(msgpack.packb([0, msgid, "submit", [params]]) for msgid in range(4)))
        # A machine that is too busy may drop it before all four have begun, which is as well.
        mock.wait_for(lambda stats: stats["requests"] >= 5 or "does not read" in daemon.log)
        for i in range(20):
            serves(daemon, f"meanwhile {i}")
            assert daemon.memory_is_below(before + 12 * MB)
        wait_until(lambda: "does not read" in daemon.log, "the deaf client to be dropped")
    mock.wait_idle()
    serves(daemon)
    assert daemon.memory_is_below(before + 12 * MB)


def test_a_client_that_reads_late_gets_everything(mock, start_daemon):
    daemon = start_daemon(mock, options={"limits": {"session_buffer": "64 KiB"}})
    with daemon.client() as client:
        msgid = client.request("submit", {"prompt": "long", "model": "mock/mock", "stream": True,
                                          "mock": {"chunks": 500, "chunk_bytes": 8192}})
        client.wait_event(msgid, "chunk")
        time.sleep(0.5)
        error, result = client.wait(msgid)
        assert error is None
        assert len(result["text"]) >= 500 * 8192 and client.text_of_chunks(msgid) == result["text"]


def test_pipelined_cached_answers_to_a_client_that_never_reads(mock, start_daemon):
    daemon = start_daemon(mock, options={"limits": {"session_stall": "2 s"}})
    params = {"prompt": "big", "model": "mock/mock", "mock": {"chunks": 20, "chunk_bytes": 20000}}
    with daemon.client() as client:
        client.call("submit", params)
        before = daemon.rss
    with daemon.client() as deaf:
        deaf.socket.setblocking(False)
        message = msgpack.packb([0, 1, "submit", [params]])
        try:
            for _ in range(2000):
                deaf.socket.send(message)
        except BlockingIOError:
            pass
        wait_until(lambda: "does not read" in daemon.log, "the deaf client to be dropped")
        assert daemon.memory_is_below(before + 12 * MB)
    serves(daemon)


def test_a_thousand_connections(mock, daemon):
    serves(daemon)
    before, descriptors = daemon.rss, daemon.descriptors
    clients = [daemon.client() for _ in range(1000)]
    msgids = [client.request("hello") for client in clients]
    for client, msgid in zip(clients, msgids):
        assert client.wait(msgid)[0] is None
    serves(daemon)
    for i, client in enumerate(clients):
        client.request("submit", {"prompt": f"number {i}", "model": "mock/mock"}, msgid=77)
    for i, client in enumerate(clients):
        error, result = client.wait(77)
        assert error is None and result["text"] == expected_echo("mock", f"number {i}")
    for client in clients:
        client.close()
    serves(daemon)
    wait_until(lambda: daemon.descriptors <= descriptors + 40, "the descriptors to come back")
    assert daemon.memory_is_below(before + 24 * MB)


def test_more_clients_than_allowed(mock, start_daemon):
    daemon = start_daemon(mock, options={"limits": {"max_sessions": 3}})
    wait_until(lambda: sessions(daemon) == 1, "the first look whether it listens to be over")
    clients = [daemon.client() for _ in range(3)]
    for client in clients:
        wait_until(lambda: "server" in client.call("hello"), "each to be let in")
    with daemon.client() as late, pytest.raises(RpcError) as error:
        late.call("hello")
    assert error.value.code == "client_limit"
    clients.pop().close()
    wait_until(lambda: admitted(daemon), "a place to come free")
    for client in clients:
        client.close()


def sessions(daemon):
    with daemon.client() as client:
        return client.call("status")["sessions"]


def admitted(daemon):
    with daemon.client() as client:
        try:
            return client.call("hello")
        except (RpcError, Closed):
            return None


def test_more_requests_than_a_connection_may_have(mock, start_daemon):
    daemon = start_daemon(mock, options={"limits": {"max_session_jobs": 2}})
    with daemon.client() as client:
        slow = {"model": "mock/mock", "stream": True, "mock": {"fault": "hang_after_headers"}, "cache": "off"}
        for i in range(2):
            client.request("submit", {"prompt": f"p{i}", **slow})
        with pytest.raises(RpcError) as error:
            client.submit("one too many")
        assert error.value.code == "client_limit"


def test_transfers_and_queue_are_bounded(mock, start_daemon):
    daemon = start_daemon(mock, options={"limits": {"max_transfers": 1, "max_queue": 1}})
    with daemon.client() as client:
        slow = {"model": "mock/mock", "stream": True, "cache": "off", "mock": {"chunks": 5, "pace_ms": 100}}
        first = client.request("submit", {"prompt": "a", **slow})
        client.wait_event(first, "started")
        second = client.request("submit", {"prompt": "b", **slow})
        queued = client.wait_event(second, "queued")
        assert queued["position"] == 1 and "max_transfers" in queued["reason"]
        third = client.request("submit", {"prompt": "c", **slow})
        assert client.wait(third)[0]["code"] == "queue_full"
        fourth_error = client.wait(second)[0]
        assert fourth_error is None and client.wait(first)[0] is None
        assert mock.stats()["peak_in_flight"] == 1


def test_a_deadline_in_the_queue(mock, start_daemon):
    daemon = start_daemon(mock, options={"limits": {"max_transfers": 1}})
    with daemon.client() as client:
        hang = {"model": "mock/mock", "stream": True, "cache": "off", "mock": {"fault": "hang_after_headers"}}
        first = client.request("submit", {"prompt": "a", **hang})
        client.wait_event(first, "started")
        second = client.request("submit", {"prompt": "b", "deadline_ms": 200, **hang})
        assert client.wait(second)[0]["code"] == "deadline_exceeded"
        assert mock.stats()["requests"] == 1


def run_daemon(config, **options):
    return subprocess.run([BUILD / "daemon" / "freellmd", "--config", str(config)], capture_output=True, text=True,
                          timeout=120, **options)


def test_a_second_daemon(daemon):
    second = run_daemon(daemon.config)
    assert second.returncode == 69 and "another freellmd" in second.stderr
    text = daemon.config.read_text().replace(str(daemon.state), str(daemon.home / "other"))
    other = daemon.home / "other.ini"
    other.write_text(text)
    second = run_daemon(other)
    assert second.returncode == 69 and str(daemon.socket) in second.stderr
    serves(daemon)


def test_the_sockets_folder_is_missing(daemon):
    missing = daemon.home / "no" / "such"
    config = daemon.home / "missing.ini"
    config.write_text(f"[daemon]\nsocket = {missing}/s\nstate_dir = {daemon.home}/other\n")
    result = run_daemon(config)
    assert result.returncode in (73, 78) and str(missing) in result.stderr and "create it" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_the_sockets_folder_is_not_writable(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    for parent in folder.parents:
        if parent.owner() == "root" and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    config = tmp_path / "c.ini"
    config.write_text(f"[daemon]\nsocket = {folder}/s\n[cache]\nenabled = no\n")
    config.chmod(0o644)
    result = run_daemon(config, user=65534, group=65534, extra_groups=[])
    assert result.returncode == 77 and "Permission denied" in result.stderr and str(folder) in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_another_user_is_refused(mock, start_daemon):
    daemon = start_daemon(mock, options={"daemon": {"socket_mode": "0666"}})
    daemon.home.chmod(0o755)
    script = ("import socket,sys,msgpack;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
              "s.sendall(msgpack.packb([0,1,'submit',[{'prompt':'x','model':'mock/mock'}]]));"
              "u=msgpack.Unpacker();u.feed(s.recv(65536));m=u.unpack();"
              "print(m[2]['code'] if m[0]==1 else m[1])")

    def ask():
        return subprocess.run(["/usr/bin/python3", "-c", script, str(daemon.socket)], capture_output=True, text=True,
                              user=65534, group=65534, extra_groups=[], timeout=120).stdout.strip()

    assert ask() == "unauthorized"
    daemon.stop()
    daemon.config.write_text(daemon.config.read_text().replace("socket_mode", "allow_users = nobody\nsocket_mode"))
    daemon.start()
    assert ask() == "started"


def test_the_disk_is_full(mock, start_daemon):
    """A limit on the size of files stands in for the disk: the cache is lost, the answers are not."""
    daemon = start_daemon(mock, wrap=["sh", "-c", "ulimit -f 64; exec \"$@\"", "sh"])
    with daemon.client() as client:
        for i in range(40):
            assert client.submit(f"fill it {i}", mock={"text": f"{i} " + "x" * 5000})["text"].startswith(f"{i} ")
        wait_until(lambda: client.call("status")["cache"]["failed"] > 0, "a write to fail")
        assert client.submit("and on")["text"] == expected_echo("mock", "and on")
    assert daemon.log.count("not kept until this is over") == 1


def damage_truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def damage_garbage(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def damage_middle(path):
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))


@pytest.mark.parametrize("damage", [damage_truncate, damage_garbage, damage_middle, lambda p: p.write_bytes(b""),
                                    lambda p: p.write_bytes(b"x"), lambda p: (p.unlink(), p.mkdir())])
def test_a_damaged_cache(mock, daemon, damage):
    with daemon.client() as client:
        for i in range(50):
            client.submit(f"kept {i}")
    daemon.stop()
    damage(daemon.state / "cache.mdb")
    daemon.start()
    with daemon.client() as client:
        for i in range(50):
            assert client.submit(f"kept {i}")["text"] == expected_echo("mock", f"kept {i}")
        assert client.submit("kept 7")["cached"]


def test_sigterm_waits_for_what_is_in_flight(mock, daemon):
    with daemon.client() as client:
        msgid = client.request("submit", {"prompt": "finish me", "model": "mock/mock", "stream": True,
                                          "mock": {"chunks": 10, "pace_ms": 30}})
        client.wait_event(msgid, "chunk")
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in daemon.log, "the signal to be seen")
        with pytest.raises((RpcError, Closed, ConnectionResetError, BrokenPipeError)) as late:
            client.submit("too late")
        if late.type is RpcError:
            assert late.value.code == "shutting_down"
        error, result = client.wait(msgid)
        assert error is None and client.text_of_chunks(msgid) == result["text"]
    daemon.stop()
    assert not daemon.socket.exists()


def test_a_stop_that_takes_too_long_says_what_it_gave_up(mock, start_daemon):
    daemon = start_daemon(mock, options={"daemon": {"stop_timeout": "300 ms"}})
    with daemon.client() as client:
        hang = {"model": "mock/mock", "stream": True, "cache": "off"}
        first = client.request("submit", {"prompt": "a", **hang, "mock": {"fault": "hang_after_headers"}})
        second = client.request("submit", {"prompt": "b", **hang, "mock": {"chunks": 9, "fault": "hang_mid_stream", "after": 2}})
        client.wait_event(second, "chunk")
        daemon.signal(signal.SIGTERM)
        assert client.wait(first)[0]["code"] == "shutting_down"
        assert client.wait(second)[0]["code"] == "interrupted"
    daemon.stop()
    assert daemon.log.count("given up at mock") == 2


def test_socket_activation(mock, start_daemon):
    daemon = start_daemon(mock, start=False)
    activate = ("import os,socket,sys;s=socket.socket(socket.AF_UNIX);s.bind(sys.argv[1]);s.listen();"
                "os.dup2(s.fileno(),3);os.set_inheritable(3,True);os.environ['LISTEN_FDS']='1';"
                "os.environ['LISTEN_PID']=str(os.getpid());os.execv(sys.argv[2],sys.argv[2:])")
    daemon.wrap = ("/usr/bin/python3", "-c", activate, str(daemon.socket))
    daemon.start()
    serves(daemon)
    daemon.stop()
    assert daemon.socket.exists()  # systemd's, not ours


def test_ready_is_said_when_it_listens(mock, start_daemon, tmp_path):
    path = str(start_daemon(mock, start=False).home / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(120)
        daemon = start_daemon(mock, env={"NOTIFY_SOCKET": path})
        assert notify.recv(100) == b"READY=1"
        daemon.stop()
        assert notify.recv(100) == b"STOPPING=1"


def test_struct_of_random_bytes(daemon):
    """Noise of every kind: whatever comes, the daemon is there afterwards."""
    state = 0x2545F4914F6CDD1D
    for _ in range(300):
        noise = bytearray()
        for _ in range(1 + state % 64):
            state ^= (state << 13) & (2 ** 64 - 1)
            state ^= state >> 7
            state ^= (state << 17) & (2 ** 64 - 1)
            noise += struct.pack("<Q", state)[: 1 + state % 8]
        with daemon.client() as client:
            try:
                client.send_raw(bytes(noise))
            except OSError:
                pass
    serves(daemon)
