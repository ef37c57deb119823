"""One prompt through every layer: client, socket, daemon, provider, stream back, cache."""
import json

import pytest
from support.mock import expected_chunks, expected_echo
from support.rpc import RpcError


def chunks_of(client, msgid):
    return [params for name, params in client.events[msgid] if name == "chunk"]


def test_stream_then_cache(mock, daemon, client):
    params = {"prompt": "hello wide world", "model": "mock/mock", "stream": True, "mock": {"chunks": 5}}
    first = client.request("submit", params)
    error, result = client.wait(first)
    assert error is None
    pieces = expected_chunks("mock", "hello wide world", 5)
    assert [c["text"] for c in chunks_of(client, first)] == pieces
    assert result["text"] == "".join(pieces)
    assert result["message"] == {"role": "assistant", "content": result["text"]}
    assert result["finish_reason"] == "stop"
    assert result["cached"] is False
    assert result["target"] == "mock/mock"
    assert [(a["provider"], a["model"], a["status"]) for a in result["attempts"]] == [("mock", "mock", 200)]
    assert result["usage"]["total_tokens"] == result["usage"]["prompt_tokens"] + result["usage"]["completion_tokens"]
    assert client.events[first][0] == ("started", {"msgid": first, "target": "mock/mock"})

    again = client.request("submit", params)
    error, cached = client.wait(again)
    assert error is None
    assert cached["cached"] is True and cached["attempts"] == []
    assert set(cached["timing"]) == {"queued_ms", "first_token_ms", "total_ms"}
    assert chunks_of(client, again) == [{**c, "msgid": again} for c in chunks_of(client, first)]
    for key in ("text", "message", "finish_reason", "usage", "target"):
        assert cached[key] == result[key]
    assert mock.stats()["requests"] == 1


def test_stream_and_whole_share_the_cache(mock, client):
    whole = client.submit("the same question", stream=False)
    msgid = client.request("submit", {"prompt": "the same question", "model": "mock/mock", "stream": True})
    _, streamed = client.wait(msgid)
    assert streamed["cached"] and streamed["text"] == whole["text"] == client.text_of_chunks(msgid)
    assert whole["text"] == expected_echo("mock", "the same question")
    assert mock.stats()["requests"] == 1


def test_parameters_pass_untouched(mock, client):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    image = [{"type": "text", "text": "what is this"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    sent = {"temperature": 0.25, "top_p": 1, "max_tokens": 77, "seed": 2 ** 53 + 1, "tools": tools, "tool_choice": "auto",
            "response_format": {"type": "json_object"}, "reasoning_effort": "low", "stop": ["a", "ü\n\"\\"],
            "user": "someone", "never_heard_of": {"deep": [1, 2.5, None, True, {"x": []}]}}
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": image}]
    client.call("submit", {"messages": messages, "model": "mock/mock", **sent})
    body = json.loads(mock.log()[0]["body"])
    assert body.pop("model") == "mock" and body.pop("stream", False) is False
    assert body == {"messages": messages, **sent}


def test_prompt_and_system_become_messages(mock, client):
    client.submit("the prompt", system="the system")
    body = json.loads(mock.log()[0]["body"])
    assert body["messages"] == [{"role": "system", "content": "the system"}, {"role": "user", "content": "the prompt"}]


def test_usage_is_asked_for_in_streams(mock, client):
    _, result = client.wait(client.request("submit", {"prompt": "p", "model": "mock/mock", "stream": True}))
    assert json.loads(mock.log()[0]["body"])["stream_options"] == {"include_usage": True}
    assert result["usage"]["total_tokens"] > 0


def test_reasoning_and_tool_calls_come_back_and_replay(mock, client):
    call = {"id": "call_1", "name": "weather", "arguments": "{\"city\":\"Ulm\"}"}
    params = {"prompt": "use a tool", "model": "mock/mock", "stream": True,
              "mock": {"tool_calls": [call], "reasoning": "let me think about it"}}
    first = client.request("submit", params)
    error, result = client.wait(first)
    assert error is None
    (got,) = result["message"]["tool_calls"]
    assert got["id"] == "call_1" and got["function"] == {k: call[k] for k in ("name", "arguments")}
    assert result["finish_reason"] == "tool_calls"
    reasoning = "".join(c.get("delta", {}).get("reasoning", "") or c.get("delta", {}).get("reasoning_content", "")
                        for c in chunks_of(client, first))
    assert reasoning == "let me think about it"
    again = client.request("submit", params)
    _, cached = client.wait(again)
    assert cached["cached"] and cached["message"] == result["message"]
    assert chunks_of(client, again) == [{**c, "msgid": again} for c in chunks_of(client, first)]


def test_cache_modes(mock, client):
    with pytest.raises(RpcError) as refused:
        client.submit("a question", cache="only")
    assert refused.value.code == "no_provider" and "cache" in refused.value.error["message"]
    assert not client.submit("a question", cache="off")["cached"]
    assert not client.submit("a question")["cached"]
    assert client.submit("a question", cache="only")["cached"]
    assert not client.submit("a question", cache="off")["cached"]
    assert not client.submit("a question", cache="refresh")["cached"]
    assert client.submit("a question", cache="use")["cached"]
    assert not client.submit("kept for no time", ttl=0)["cached"]
    assert not client.submit("kept for no time")["cached"]
    assert mock.stats()["requests"] == 6


def test_what_can_change_the_answer_is_in_the_key(mock, client):
    base = {"prompt": "one", "temperature": 0.5}
    variants = [{}, {"temperature": 0.6}, {"prompt": "two"}, {"system": "s"}, {"unheard_of": 1},
                {"max_tokens": 5}, {"seed": 1}]
    for variant in variants:
        params = {**base, **variant}
        assert not client.submit(params.pop("prompt"), **params)["cached"], variant
    for variant in variants:
        params = {**base, **variant}
        assert client.submit(params.pop("prompt"), **params)["cached"], variant
    # The order of members, and the spelling of a number, cannot.
    assert client.call("submit", {"temperature": 0.5, "model": "mock/mock", "prompt": "one"})["cached"]
    assert client.call("submit", {"max_tokens": 5.0, "model": "mock/mock", "temperature": 0.5, "prompt": "one"})["cached"]


def test_cache_survives_restart_and_kill(mock, daemon):
    with daemon.client() as client:
        client.submit("before the restart")
    daemon.restart()
    with daemon.client() as client:
        assert client.submit("before the restart")["cached"]
        client.submit("before the kill")
        # What was written longer ago than the writer gathers survives kill -9; the status shows when it is on disk.
        while client.call("status")["cache"]["entries"] < 2:
            pass
    daemon.kill()
    daemon.start()
    with daemon.client() as client:
        assert client.submit("before the kill")["cached"]
        assert client.submit("before the restart")["cached"]


def test_answers_expire(mock, client):
    import time
    client.submit("short-lived", ttl=1)
    time.sleep(1.1)
    assert not client.submit("short-lived")["cached"]


def test_many_requests_on_one_connection_answer_their_own(mock, client):
    ids = {}
    for i in range(100):
        prompt = f"question number {i}"
        ids[client.request("submit", {"prompt": prompt, "model": "mock/mock", "stream": i % 2 == 0,
                                      "mock": {"pace_ms": i % 3}})] = prompt
    for msgid, prompt in ids.items():
        error, result = client.wait(msgid)
        assert error is None and result["text"] == expected_echo("mock", prompt)


def test_default_model_and_bare_model_id(mock, daemon, client):
    assert client.call("submit", {"prompt": "no model named"})["target"] == "mock/mock"
    assert client.submit("bare id", model="mock")["target"] == "mock/mock"


def test_connections_are_reused(mock, client):
    for i in range(20):
        client.submit(f"again {i}", stream=i % 2 == 0)
    # One for control, one for all requests.
    assert mock.stats()["connections_used"] <= 2


def test_cancel_aborts_upstream(mock, client):
    msgid = client.request("submit", {"prompt": "an endless tale", "model": "mock/mock", "stream": True,
                                      "mock": {"fault": "endless_stream", "pace_ms": 1}})
    client.wait_event(msgid, "chunk")
    assert client.call("cancel", {"msgid": msgid}) == {"cancelled": True}
    error, _ = client.wait(msgid)
    assert error["code"] == "cancelled"
    mock.wait_idle()
    assert mock.log()[0]["disconnected"]
    assert client.call("cancel", {"msgid": msgid}) == {"cancelled": False}


def test_client_that_leaves_does_not_waste_a_cacheable_answer(mock, daemon):
    prompt = {"prompt": "worth keeping", "model": "mock/mock", "stream": True, "mock": {"chunks": 20, "pace_ms": 5}}
    with daemon.client() as client:
        client.wait_event(client.request("submit", prompt), "chunk")
    mock.wait_for(lambda stats: stats["in_flight"] == 0 and stats["requests"] == 1)
    with daemon.client() as client:
        _, result = client.wait(client.request("submit", prompt))
        assert result["cached"]
    assert not mock.log()[0]["disconnected"]


def test_client_that_leaves_aborts_what_cannot_be_kept(mock, daemon):
    with daemon.client() as client:
        client.wait_event(client.request("submit", {
            "prompt": "not kept", "model": "mock/mock", "stream": True, "cache": "off",
            "mock": {"fault": "endless_stream", "pace_ms": 1}}), "chunk")
    mock.wait_idle()
    assert mock.log()[0]["disconnected"]


def test_no_configuration_of_models_passes_any_id(start_daemon, mock):
    daemon = start_daemon(None, extra=f"[provider lab]\nbase_url = {mock.url}\n")
    with daemon.client() as client:
        assert client.submit("hi", model="lab/any/model:free")["target"] == "lab/any/model:free"


def test_uncached_without_state_dir(start_daemon, mock):
    """A state directory that cannot be made costs the cache, never the answer, and is reported."""
    daemon = start_daemon(mock, options={"daemon": {"state_dir": "/proc/none/of/this"}})
    with daemon.client() as client:
        assert not client.submit("asked")["cached"]
        assert not client.submit("asked")["cached"]
    assert "running without a cache" in daemon.log
