"""The mock provider itself: each behaviour and each fault is what it claims to be, on the wire."""
import json
import random
import select
import shutil
import socket
import struct
import subprocess

import pytest

from support import BUILD
from support.mock import expected_chunks, expected_digest, expected_echo
from support.wire import Reader, chat, chat_body, chat_to_end, connect, exchange, receive_all, request_bytes

MESSAGES = [{"role": "user", "content": "hello world"}]


# Plain answers


def test_answer_without_stream(mock):
    answer = chat(mock)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    choice = answer.json["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": expected_echo("mock", MESSAGES)}
    assert choice["finish_reason"] == "stop"
    assert answer.json["usage"] == {"prompt_tokens": 3 + 4 + 2, "completion_tokens": 3, "total_tokens": 12}


def test_stream_has_the_shape_of_openai(mock):
    answer = chat(mock, stream=True, stream_options={"include_usage": True}, behaviour={"chunks": 5})
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.events
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [c["choices"][0]["delta"]["content"] for c in chunks[1:6]] == expected_chunks("mock", MESSAGES, 5)
    assert chunks[6]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert chunks[7]["choices"] == []
    assert chunks[7]["usage"] == {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    assert len(chunks) == 8
    # Each event is a chunk of HTTP of its own.
    assert len(answer.chunks) == 9


def test_stream_and_json_have_the_same_text(mock):
    prompt = "  Grüße,\n\n\"wörld\" \\ tab\there \x01 日本語  "
    assert chat(mock, prompt).text == chat(mock, prompt, stream=True).text == expected_echo("mock", prompt)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("chunks", [0, 1, 3, 200])
def test_a_given_text_arrives_whole_in_any_number_of_chunks(mock, stream, chunks):
    text = "Ein Text mit Ümläuten, 日本語 und \"Zitaten\".\n Ende "
    answer = chat(mock, stream=stream, behaviour={"text": text, "chunks": chunks})
    assert answer.text == (text if chunks else "")
    assert chat(mock, stream=stream, behaviour={"text": text}).text == text


def test_digest_tells_requests_apart(mock):
    texts = {chat(mock, prompt).text for prompt in ("a", "b", "a b")} | {chat(mock, "a", model="other").text}
    assert len(texts) == 4
    assert chat(mock, "a").text.startswith(expected_digest("mock", [{"role": "user", "content": "a"}]))


def test_parts_of_a_message_count_as_its_text(mock):
    parts = [{"role": "system", "content": "be brief"}, {"role": "user", "content": [
        {"type": "text", "text": "what is "}, {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "text", "text": "this?"}]}]
    answer = exchange(mock, {"model": "mock", "messages": parts})
    assert answer.text == expected_echo("mock", parts)
    assert answer.text.endswith("what is this?")


def test_max_tokens_cuts_the_answer(mock):
    for stream in (False, True):
        answer = chat(mock, "a b c d e", stream=stream, max_tokens=3)
        assert answer.text == " ".join(expected_echo("mock", "a b c d e").split()[:3])
        assert '"finish_reason":"length"' in answer.body.decode()
    assert chat(mock, max_completion_tokens=1).json["usage"]["completion_tokens"] == 1


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/api/v1", "/client/v4/accounts/x/ai/v1", ""])
def test_any_prefix(mock, prefix):
    assert exchange(mock, chat_body(), path=prefix + "/chat/completions").status == 200
    models = exchange(mock, path=prefix + "/models", method="GET")
    assert [model["id"] for model in models.json["data"]] == ["mock"]


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null", {}, {"model": 1, "messages": MESSAGES}, {"model": "m"},
    {"model": "m", "messages": []}, {"model": "m", "messages": {}}, {"model": "m", "messages": [1]},
    {"model": "m", "messages": [{"content": "x"}]}, {"model": "m", "messages": MESSAGES, "stream": "yes"},
    {"model": "m", "messages": MESSAGES, "max_tokens": 0}, {"model": "m", "messages": MESSAGES, "max_tokens": "9"},
    {"model": "m", "messages": MESSAGES, "stream_options": {"include_usage": True}},
    {"model": "m", "messages": MESSAGES, "mock": []}, {"model": "m", "messages": MESSAGES, "mock": {"chunks": "x"}},
    {"model": "m", "messages": MESSAGES, "mock": {"no_such": 1}},
    {"model": "m", "messages": MESSAGES, "mock": {"fault": "nothing"}},
    b'{"model":"m","model":"n","messages":[{"role":"user","content":"x"}]}',
], ids=repr)
def test_bad_requests_get_400_and_the_next_one_is_served(mock, body):
    with connect(mock) as connection:
        reader = Reader(connection)
        connection.sendall(request_bytes(body=body))
        answer = reader.answer()
        assert answer.status == 400
        assert answer.json["error"]["type"] == "invalid_request_error"
        connection.sendall(request_bytes(body=chat_body()))
        assert reader.answer().status == 200


def test_other_paths_and_methods(mock):
    assert exchange(mock, path="/v1/nothing", method="GET").status == 404
    assert exchange(mock, method="GET").status == 405
    assert exchange(mock, path="/_mock/nothing", method="GET").status == 404
    assert exchange(mock, b"{}", path="/_mock/script").status == 400
    assert exchange(mock, b'{"no_such":1}', path="/_mock/config").status == 400


def test_models_and_keys(start_mock):
    mock = start_mock("--key", "good", "--key", "better", "--model", "a", "--model", "b")
    good = {"Authorization": "Bearer good"}
    assert [m["id"] for m in exchange(mock, path="/v1/models", method="GET", headers=good).json["data"]] == ["a", "b"]
    assert chat(mock, model="a", headers=good).status == 200
    assert chat(mock, model="b", headers={"Authorization": "Bearer better"}).status == 200
    assert chat(mock, model="c", headers=good).status == 404
    assert chat(mock, model="a", headers={"Authorization": "Bearer bad"}).status == 401
    assert chat(mock, model="a").status == 401


def test_a_body_beyond_the_limit(start_mock):
    mock = start_mock("--max-body", "1000")
    assert chat(mock, "x" * 2000).status == 413
    assert chat(mock).status == 200


def test_50_megabytes_of_prompt(mock):
    prompt = "word " * (10 << 20)
    answer = chat(mock, prompt)
    assert answer.status == 200
    assert answer.json["usage"]["prompt_tokens"] == 3 + 4 + (10 << 20)
    assert mock.log(bodies=False)[-1]["body_bytes"] > len(prompt)


# Behaviours


def test_tool_calls(mock):
    calls = [{"id": "call_1", "name": "weather", "arguments": '{"city":"Zürich","days":3}'},
             {"id": "call_2", "name": "time", "arguments": "{}"}]
    answer = chat(mock, stream=True, behaviour={"tool_calls": calls})
    got = {}
    for delta in answer.deltas:
        for call in delta.get("tool_calls", []):
            entry = got.setdefault(call["index"], {"arguments": ""})
            entry.update({k: call[k] for k in ("id",) if k in call})
            entry.update({k: call["function"][k] for k in ("name",) if k in call["function"]})
            entry["arguments"] += call["function"]["arguments"]
    assert list(got.values()) == calls
    assert '"finish_reason":"tool_calls"' in answer.body.decode()
    message = chat(mock, behaviour={"tool_calls": calls}).json["choices"][0]["message"]
    assert message["content"] is None
    assert [{"id": c["id"], **c["function"]} for c in message["tool_calls"]] == calls
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {}}}]
    message = chat(mock, tools=tools, behaviour={"tool_calls": True}).json["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["name"] == "lookup"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning(mock, field):
    behaviour = {"reasoning": "let me think", "reasoning_field": field, "text": "done"}
    answer = chat(mock, stream=True, behaviour=behaviour)
    assert "".join(delta.get(field, "") for delta in answer.deltas) == "let me think"
    assert answer.text == "done"
    assert chat(mock, behaviour=behaviour).json["choices"][0]["message"][field] == "let me think"


def test_line_ends_comments_and_missing_parts(mock):
    answer = chat(mock, stream=True, behaviour={"crlf": True, "comments": 2})
    assert answer.body.startswith(b": MOCK PROCESSING\r\n\r\n: MOCK PROCESSING\r\n\r\ndata: ")
    assert b"\n" not in answer.body.replace(b"\r\n", b"")
    assert answer.text == expected_echo("mock", MESSAGES)
    answer = chat(mock, stream=True, behaviour={"no_done": True})
    assert b"[DONE]" not in answer.body and b'"stop"' in answer.body
    usage = {"include_usage": True}
    assert b"usage" not in chat(mock, stream=True, stream_options=usage, behaviour={"no_usage": True}).body
    assert b"usage" in chat(mock, stream=True, stream_options=usage).body
    answer = chat(mock, stream=True, behaviour={"split_data": True})
    assert b",\ndata: " in answer.body
    assert answer.text == expected_echo("mock", MESSAGES)


def test_given_usage_finish_reason_and_size_of_chunks(mock):
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 33, "x": {"y": 1}}
    answer = chat(mock, behaviour={"usage": usage, "finish_reason": "content_filter", "chunks": 3, "chunk_bytes": 50})
    assert answer.json["usage"] == usage
    assert answer.json["choices"][0]["finish_reason"] == "content_filter"
    assert len(answer.text) == 150


def test_status_headers_and_body(mock):
    behaviour = {"status": 503, "retry_after": "7", "headers": {"X-One": "1", "X-Two": ["a", "b"]}, "body": "<oops>",
                 "content_type": "text/plain"}
    answer = chat(mock, stream=True, behaviour=behaviour)
    assert answer.status == 503 and answer.body == b"<oops>"
    assert answer.headers["retry-after"] == "7" and answer.headers["content-type"] == "text/plain"
    assert [value for name, value in answer.header_list if name == "X-Two"] == ["a", "b"]


@pytest.mark.parametrize("status", [400, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529])
def test_error_statuses(mock, status):
    answer = chat(mock, behaviour={"status": status})
    assert answer.status == status
    assert answer.json["error"]["message"]


def test_options_in_the_name_of_the_model(mock):
    model = "mock+chunks=7+crlf+reasoning=hm"
    answer = chat(mock, model=model, stream=True)
    assert answer.text == "".join(expected_chunks(model, MESSAGES, 7))
    assert b"\r\n\r\n" in answer.body and b'"hm"' in answer.body
    assert chat(mock, model="mock+status=502+retry_after=3").headers["retry-after"] == "3"


def test_script_is_consumed_in_order_and_wins(mock):
    mock.script({"status": 500}, {"text": "one", "times": 2}, {"status": 502})
    answers = [chat(mock, behaviour={"text": "own"}) for _ in range(5)]
    assert [a.status for a in answers] == [500, 200, 200, 502, 200]
    assert [a.text for a in answers if a.status == 200] == ["one", "one", "own"]


def test_defaults_and_their_order(mock):
    mock.config(defaults={"text": "default", "chunks": 2})
    assert chat(mock).text == "default"
    assert chat(mock, behaviour={"text": "own"}).text == "own"
    mock.reset()
    assert chat(mock).text == "default"
    mock.config(defaults={})
    assert chat(mock).text == expected_echo("mock", MESSAGES)


@pytest.mark.parametrize("stream", [False, True])
def test_gzip(mock, stream):
    answer = chat(mock, stream=stream, behaviour={"gzip": True})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == expected_echo("mock", MESSAGES)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_framing(mock, framing):
    answer = chat(mock, behaviour={"framing": framing})
    assert {"chunked": "transfer-encoding", "length": "content-length", "close": "connection"}[framing] in answer.headers
    assert answer.text == expected_echo("mock", MESSAGES)


def test_writes_of_a_given_size(mock):
    answer = chat(mock, stream=True, behaviour={"write": 7})
    assert {len(chunk) for chunk in answer.chunks[:-1]} == {7} and len(answer.chunks[-1]) <= 7
    assert answer.text == expected_echo("mock", MESSAGES)
    one, two, other = (chat(mock, "x" * 3000, behaviour={"write": "random", "seed": seed, "chunks": 900})
                       for seed in (1, 1, 2))
    sizes = [[len(chunk) for chunk in answer.chunks] for answer in (one, two, other)]
    assert len(set(sizes[0])) > 3
    assert sizes[0] == sizes[1] != sizes[2]


def test_stamps_say_when_a_chunk_left(mock):
    before = mock.stats()["monotonic_us"]
    answer = chat(mock, stream=True, behaviour={"stamp": True, "chunks": 20, "pace_ms": 1})
    stamps = [int(word[1:]) for word in answer.text.split() if word.startswith("@")]
    assert len(stamps) == 20 and stamps == sorted(stamps)
    assert before <= stamps[0] and stamps[-1] <= mock.stats()["monotonic_us"]
    # One pause less than there are: the first chunk may have been late, and the last not.
    assert stamps[-1] - stamps[0] >= 18 * 1000


def test_pace_and_first_byte(mock):
    # Only lower bounds: a slow machine is later, never earlier.
    chat(mock, stream=True, behaviour={"chunks": 10, "pace_ms": 5, "first_byte_ms": 40, "first_content_ms": 30})
    record = mock.log()[-1]
    assert record["first_byte_us"] - record["started_us"] >= 40_000
    # Role, ten chunks and the finish chunk are each followed by a pause; the first of them may have been late.
    assert record["ended_us"] - record["first_byte_us"] >= 30_000 + 11 * 5_000


def test_chunks_of_two_streams_interleave_when_paced(mock):
    # The order is what counts: neither stream waits for the other to end.
    first, second = connect(mock), connect(mock)
    with first, second:
        for connection in (first, second):
            connection.sendall(request_bytes(body=chat_body(
                stream=True, behaviour={"fault": "hang_mid_stream", "after": 2, "chunks": 4})))
        readers = [Reader(first), Reader(second)]
        for reader in readers:
            reader.until(b" hello")
        assert mock.stats()["in_flight"] == 2
        mock.release()
        for reader in readers:
            assert reader.until(b"0\r\n\r\n").count(b"data: ") == 4


def test_keepalive_comments_while_it_thinks(mock):
    answer = chat(mock, stream=True, behaviour={"first_content_ms": 300, "keepalive_ms": 20})
    head, _, _ = answer.body.partition(b"data: ")
    assert head.count(b": keep-alive\n\n") >= 2
    assert answer.text == expected_echo("mock", MESSAGES)


def test_error_in_a_stream(mock):
    answer = chat(mock, stream=True, behaviour={"error_in_stream": "boom", "after": 2, "chunks": 5})
    assert json.loads(answer.events[-1])["error"]["message"] == "boom"
    assert len([d for d in answer.deltas if d.get("content")]) == 2
    assert "[DONE]" not in answer.events
    answer = chat(mock, stream=True, behaviour={"error_in_stream": {"error": "x"}, "after": 0, "error_done": True})
    assert answer.events[-2:] == ['{"error":"x"}', "[DONE]"]


def test_huge_bodies_and_headers(mock):
    size = 3 << 20
    assert chat(mock, behaviour={"huge_body": size}).text == "x" * size
    assert chat(mock, stream=True, behaviour={"huge_body": size}).text == "x" * size
    assert len(chat(mock, behaviour={"huge_body": size, "status": 500}).json["error"]["message"]) == size
    assert len(chat(mock, behaviour={"huge_header": 1 << 20}).headers["x-mock-huge"]) == 1 << 20


def test_a_gigabyte_costs_the_mock_no_memory(mock):
    def resident():
        with open(f"/proc/{mock.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    before = resident()
    with connect(mock) as connection:
        connection.sendall(request_bytes(body=chat_body(behaviour={"huge_body": 1 << 30})))
        left, buffer = 1 << 30, bytearray(1 << 20)
        while left > 0:
            count = connection.recv_into(buffer)
            assert count > 0
            left -= count
    assert resident() - before < 30_000


# Faults


@pytest.mark.parametrize("stream", [False, True])
def test_fault_refuse(mock, stream):
    assert chat_to_end(mock, stream=stream, behaviour={"fault": "refuse"}) == (b"", "rst")
    assert mock.log()[-1]["status"] == 0


@pytest.mark.parametrize("stream", [False, True])
def test_fault_close_before_headers(mock, stream):
    assert chat_to_end(mock, stream=stream, behaviour={"fault": "close_before_headers"}) == (b"", "fin")


@pytest.mark.parametrize("fault, end", [("close_in_headers", "fin"), ("reset_in_headers", "rst")])
def test_faults_in_headers(mock, fault, end):
    data, how = chat_to_end(mock, behaviour={"fault": fault})
    assert data.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\n\r\n" not in data
    assert how == end


def stream_until(mock, behaviour):
    """A stream that ends early: how many content deltas came, the rest, and how it ended."""
    data, how = chat_to_end(mock, stream=True, behaviour={"chunks": 10, **behaviour})
    return data.count(b'"delta":{"content":'), data, how


@pytest.mark.parametrize("after", [0, 1, 4, 10])
@pytest.mark.parametrize("fault, end", [("reset_mid_stream", "rst"), ("close_mid_stream", "fin")])
def test_faults_in_the_middle_of_a_stream(mock, fault, end, after):
    count, data, how = stream_until(mock, {"fault": fault, "after": after})
    assert count == after and how == end
    assert b"\r\n0\r\n\r\n" not in data


def test_a_reset_waits_for_a_slow_reader(mock):
    """What was sent before the reset must be possible to read, also when it is more than the socket holds."""
    behaviour = {"fault": "reset_mid_stream", "after": 3000, "chunks": 4000, "chunk_bytes": 4000}
    with connect(mock) as connection:
        connection.sendall(request_bytes(body=chat_body(stream=True, behaviour=behaviour)))
        mock.wait_for(lambda stats: stats["in_flight"] == 1)
        assert chat(mock).status == 200
        data, how = receive_all(connection)
    assert data.count(b'"delta":{"content":') == 3000 and how == "rst"


def test_fault_bad_chunk(mock):
    count, data, how = stream_until(mock, {"fault": "bad_chunk", "after": 2})
    assert count == 2 and how == "fin" and data.endswith(b"no size\r\n")


@pytest.mark.parametrize("fault, seen", [
    ("hang_before_headers", b""), ("hang_after_headers", b"\r\n\r\n"), ("hang_mid_stream", b" hello")])
def test_hangs_until_released(mock, fault, seen):
    with connect(mock) as connection:
        connection.sendall(request_bytes(body=chat_body(stream=True, behaviour={"fault": fault, "after": 2})))
        reader = Reader(connection)
        head = reader.until(seen) if seen else b""
        mock.wait_for(lambda stats: stats["in_flight"] == 1)
        # Nothing more comes: the mock has answered to a later request meanwhile.
        assert chat(mock, "later").status == 200
        assert select.select([connection], [], [], 0)[0] == []
        assert mock.log()[0]["ended_us"] == -1
        mock.release()
        reader.data[:0] = head
        assert reader.answer().text == expected_echo("mock", MESSAGES)


def test_fault_slow_drip(mock):
    """Every byte is a segment of its own: reads that keep up see many small pieces."""
    with connect(mock) as connection:
        connection.sendall(request_bytes(body=chat_body("x", stream=True, behaviour={"fault": "slow_drip"})))
        reader, reads = Reader(connection), 0
        while b"0\r\n\r\n" not in reader.data:
            reader.fill()
            reads += 1
        size = len(reader.data)
        assert reader.answer().text == expected_echo("mock", "x")
    assert reads > 50
    record = mock.log()[-1]
    assert record["bytes"] == size
    assert record["ended_us"] - record["first_byte_us"] >= (size - 2) * 1000


def test_fault_garbage(mock):
    data, how = chat_to_end(mock, behaviour={"fault": "garbage"})
    assert len(data) == 700 and how == "fin" and not data.startswith(b"HTTP")
    assert len(set(data)) > 100
    assert chat_to_end(mock, behaviour={"fault": "garbage"})[0] == data
    assert chat_to_end(mock, behaviour={"fault": "garbage", "seed": 2})[0] != data


def test_fault_garbage_in_a_stream(mock):
    answer = chat(mock, stream=True, behaviour={"fault": "garbage_sse", "after": 2, "chunks": 5})
    events = answer.body.split(b"\n\n")
    assert any(b"\x80" < bytes([max(event)]) for event in events if event)
    assert answer.body.count(b'"delta":{"content":"') == 5 and answer.body.endswith(b"data: [DONE]\n\n")


def test_fault_wrong_content_type(mock):
    answer = chat(mock, stream=True, behaviour={"fault": "wrong_content_type"})
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    assert answer.body.startswith(b"<html>")


def test_fault_endless_stream_ends_when_the_client_leaves(mock):
    with connect(mock) as connection:
        connection.sendall(request_bytes(body=chat_body(stream=True, behaviour={"fault": "endless_stream"})))
        got = 0
        while got < 1 << 20:
            got += len(connection.recv(1 << 16))
    mock.wait_idle()
    record = mock.log()[-1]
    assert record["disconnected"] and record["bytes"] >= 1 << 20


def test_refused_connections(mock):
    mock.config(refuse_connections=2)
    for _ in range(2):
        with pytest.raises(ConnectionResetError), connect(mock) as connection:
            connection.sendall(request_bytes(body=chat_body()))
            if connection.recv(1) == b"":
                raise AssertionError("closed instead of reset")
    assert chat(mock).status == 200
    assert mock.stats()["connections_refused"] == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_deafness_is_a_refused_connect(start_mock, threads):
    mock = start_mock("--threads", str(threads))
    for _ in range(5):
        mock.deafen()
        for _ in range(5):
            with pytest.raises(ConnectionRefusedError):
                connect(mock)
        mock.hear()
        assert chat(mock).status == 200


# Recordings


@pytest.mark.parametrize("write", [0, 1, 13, "random"])
def test_recordings_are_byte_exact(mock, fixtures, write):
    files = sorted(fixtures.rglob("*.http"))
    assert len(files) > 250
    if write == 1:
        files = [file for file in files if file.stat().st_size < 8192][:40]
    with connect(mock) as connection:
        reader = Reader(connection)
        for file in files:
            name = str(file.relative_to(fixtures))
            head, body = file.read_bytes().split(b"\r\n\r\n", 1)
            connection.sendall(request_bytes(body=chat_body(behaviour={"recording": name, "write": write})))
            answer = reader.answer()
            assert answer.head.startswith(head + b"\r\n"), name
            extra = answer.head[len(head) + 2:-2]
            assert extra in (b"Transfer-Encoding: chunked\r\n", b"Content-Length: %d\r\n" % len(body)), name
            assert answer.body == body, name
            if write in (1, 13):
                assert {len(chunk) for chunk in answer.chunks[:-1]} <= {write}
    # One connection served all of them.
    assert mock.stats()["connections_used"] == 1


def test_recordings_in_pieces_of_the_wire(mock, fixtures):
    file = sorted(fixtures.glob("groq/*stream*.http"))[0]
    behaviour = {"recording": str(file.relative_to(fixtures)), "wire": 3}
    assert chat(mock, behaviour=behaviour).body == file.read_bytes().split(b"\r\n\r\n", 1)[1]


def test_other_kinds_of_recordings(start_mock, tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"x":1}')
    (tmp_path / "b.sse").write_bytes(b"data: 1\n\n")
    (tmp_path / "c.chunks.txt").write_bytes(b'{"a":1}\n{"b":2}\n')
    mock = start_mock("--recordings", str(tmp_path))
    answer = chat(mock, behaviour={"recording": "a.json"})
    assert answer.body == b'{"x":1}' and answer.headers["content-type"] == "application/json"
    assert chat(mock, behaviour={"recording": "b.sse"}).body == b"data: 1\n\n"
    assert chat(mock, behaviour={"recording": "c.chunks.txt"}).events == ['{"a":1}', '{"b":2}', "[DONE]"]
    for name in ("missing", "../secret", "/etc/passwd", "a/../../x", ".."):
        assert chat(mock, behaviour={"recording": name}).status == 500


# What it remembers


def test_log_tells_what_was_received(mock):
    chat(mock, "remember me", headers={"Authorization": "Bearer k", "X-Thing": "1"}, model="m")
    chat(mock, stream=True)
    mock.wait_idle()
    first, second = mock.log()
    assert first["sequence"] == 1 and first["method"] == "POST" and first["path"] == "/v1/chat/completions"
    assert ["Authorization", "Bearer k"] in first["headers"] and ["X-Thing", "1"] in first["headers"]
    assert json.loads(first["body"])["messages"][0]["content"] == "remember me"
    assert first["status"] == 200 and not first["disconnected"] and first["concurrent"] == 1
    assert first["started_us"] <= first["judged_us"] <= first["first_byte_us"] <= first["ended_us"]
    assert first["ended_us"] <= second["ended_us"]
    assert [record["sequence"] for record in mock.log(since=2)] == [2]
    assert "body" not in mock.log(bodies=False)[0]


def test_log_shows_bytes_that_are_no_text(mock):
    exchange(mock, b"\xff\x00{")
    assert mock.log()[-1]["body_hex"] == "ff007b"


def test_log_is_bounded(start_mock):
    mock = start_mock("--log-limit", "5", "--body-limit", "10")
    for i in range(8):
        chat(mock, f"prompt {i}")
    log = mock.log()
    assert [record["sequence"] for record in log] == [4, 5, 6, 7, 8]
    assert {len(record["body"]) for record in log} == {10}
    assert mock.stats()["log_dropped"] == 3
    quiet = start_mock("--no-log")
    chat(quiet)
    assert quiet.log() == [] and quiet.stats()["requests"] == 1


def test_a_client_that_leaves_is_noticed(mock):
    connection = connect(mock)
    connection.sendall(request_bytes(body=chat_body(stream=True, behaviour={"fault": "hang_mid_stream"})))
    Reader(connection).until(b"content")
    left_us = mock.stats()["monotonic_us"]
    connection.close()
    mock.wait_idle()
    record = mock.log()[-1]
    assert record["disconnected"] and record["disconnected_us"] >= left_us
    assert mock.stats()["disconnects"] == 1


def test_a_client_that_leaves_before_the_headers_is_noticed(mock):
    connection = connect(mock)
    connection.sendall(request_bytes(body=chat_body(behaviour={"first_byte_ms": 80_000_000})))
    mock.wait_requests(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    mock.wait_idle()
    assert mock.log()[-1]["disconnected"] and mock.log()[-1]["status"] == 0


def test_half_a_request(mock):
    connection = connect(mock)
    connection.sendall(request_bytes(body=chat_body())[:-5])
    mock.wait_requests(1)
    connection.close()
    mock.wait_idle()
    assert mock.log()[-1]["disconnected"]
    assert chat(mock).status == 200


def test_connections_are_kept_and_counted(mock):
    with connect(mock) as connection:
        reader = Reader(connection)
        for stream in [False, True] * 20:
            connection.sendall(request_bytes(body=chat_body(stream=stream)))
            assert reader.answer().text == expected_echo("mock", MESSAGES)
    for _ in range(3):
        chat(mock)
    stats = mock.wait_for(lambda stats: stats["connections_open"] == 1)
    assert stats["connections_used"] == 4 and stats["requests"] == 43 and stats["statuses"] == {"200": 43}
    assert len({record["connection"] for record in mock.log()}) == 4
    mock.reset()
    stats = mock.stats()
    assert stats["requests"] == 0 and stats["connections_open"] == 1 and mock.log() == []


# Many at once


@pytest.mark.parametrize("threads", [1, 3])
def test_a_thousand_streams_at_once(start_mock, threads):
    mock = start_mock("--threads", str(threads))
    count, connections = 1000, []
    try:
        for i in range(count):
            connection = connect(mock)
            connections.append(connection)
            connection.sendall(request_bytes(body=chat_body(
                f"stream number {i}", stream=True, behaviour={"fault": "hang_mid_stream", "chunks": 6})))
        stats = mock.wait_for(lambda stats: stats["in_flight"] == count)
        assert stats["peak_in_flight"] == count and stats["connections_used"] == count
        for i in random.Random(1).sample(range(count), 50):
            assert select.select([connections[i]], [], [], 120)[0]
        mock.release()
        for i, connection in enumerate(connections):
            expected = "".join(expected_chunks("mock", [{"role": "user", "content": f"stream number {i}"}], 6))
            assert Reader(connection).answer().text == expected
    finally:
        for connection in connections:
            connection.close()
    assert mock.wait_idle()["statuses"] == {"200": count}


# The program


def test_command_line():
    program = str(BUILD / "tests" / "freellm-mock")

    def run(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)

    assert run("--version").stdout.startswith("freellm-mock ")
    shown = run("--help").stdout
    for option in ("--port", "--bind", "--threads", "--pace", "--chunks", "--profile", "--limit", "--recordings"):
        assert option in shown
    for wrong in (["--port", "x"], ["--port", "70000"], ["--nothing"], ["extra"], ["--limit", "many"],
                  ["--profile", "none"], ["--config", "["], ["--threads", "0"]):
        result = run(*wrong)
        assert result.returncode == 64 and result.stderr and not result.stdout, wrong


def test_defaults_on_the_command_line(start_mock):
    mock = start_mock("--chunks", "4", "--pace", "1", "--config", '{"models": ["mock"]}')
    assert chat(mock, stream=True).text == "".join(expected_chunks("mock", MESSAGES, 4))
    assert chat(mock, model="x").status == 404


def test_stop_with_requests_in_flight(start_mock):
    mock = start_mock()
    connections = [connect(mock) for _ in range(5)]
    for connection in connections:
        connection.sendall(request_bytes(body=chat_body(stream=True, behaviour={"fault": "hang_after_headers"})))
    mock.wait_for(lambda stats: stats["in_flight"] == 5)
    mock.process.terminate()
    assert mock.process.wait(120) == 0
    for connection in connections:
        assert receive_all(connection)[1] == "fin"
        connection.close()


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind")
def test_nothing_leaks(start_mock):
    program = (BUILD / "tests" / "freellm-mock").read_bytes()
    if b"__asan_init" in program or b"__tsan_init" in program:
        pytest.skip("valgrind cannot run a program with a sanitizer")
    mock = start_mock("--limit", "1000 requests per minute", "--threads", "2", wrap=(
        "valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all",
        "--error-exitcode=99"))
    tools = [{"id": "call_1", "name": "f", "arguments": "{}"}]
    for behaviour in ({}, {"gzip": True}, {"write": "random"}, {"tool_calls": tools}, {"reasoning": "a b"},
                      {"status": 500}, {"huge_body": 100_000}, {"huge_header": 100_000}, {"no_such": 1}):
        for stream in (False, True):
            chat(mock, stream=stream, behaviour=behaviour)
    for fault in ("refuse", "reset_mid_stream", "close_in_headers", "garbage"):
        chat_to_end(mock, stream=True, behaviour={"fault": fault})
    mock.log()
    # Some are in flight when it ends, which the fixture asks for, and one has left.
    hanging = [connect(mock) for _ in range(3)]
    for connection in hanging:
        connection.sendall(request_bytes(body=chat_body(stream=True, behaviour={"fault": "hang_mid_stream"})))
    mock.wait_for(lambda stats: stats["in_flight"] == 3)
    hanging[0].close()
    mock.wait_for(lambda stats: stats["in_flight"] == 2)
    mock.script({"status": 400, "times": 3})
    mock.stop()
    for connection in hanging[1:]:
        connection.close()
