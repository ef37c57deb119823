"""Recorded responses of real providers, decoded by the daemon's codec and read again here.

decode-recording checks that the outcome does not depend on where the bytes were cut, nor on which of
its two readers read them. This file reads each recording a second time, as plainly as one can, and
compares text, every member of the message, tool calls, finish reason, usage and the way it ended.

The recordings are not part of the project: they are looked for in $FREELLM_FIXTURES, or in
../shared/fixtures beside the source. Without them the test is skipped.
"""

import json
import re
import subprocess
import sys

import pytest

from support import BUILD, FIXTURES

DECODER = BUILD / "tests" / "decode-recording"
PROCESSES = 2  # of decode-recording at once
KNOWN_ENDS = {"complete", "failed"}

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no recordings in {FIXTURES}")


def recordings():
    return sorted(
        p for p in FIXTURES.rglob("*")
        if p.is_file() and not p.name.endswith(".req.json") and p.name != "SOURCES.md")


# ---- The second reading ----

def split_http(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def events(text):
    """(name, data) of each event of a stream."""
    for block in re.split(r"\n\n+", text.replace("\r\n", "\n")):
        name, data = "", []
        for line in block.split("\n"):
            if line.startswith("data:"):
                data.append(line[5:].strip())
            elif line.startswith("event:"):
                name = line[6:].strip()
        for line in data:  # one recording lacks the blank lines, and none has data in two
            yield name, line


def objects(path, body):
    """The JSON objects of a body, and whether they came as a stream."""
    text = body.decode("utf-8")
    if path.name.endswith(".chunks.txt"):
        return [("", json.loads(line)) for line in text.splitlines() if line.strip()], True
    if re.match(r"\s*(data|event|id|retry)?:", text):
        return [(name, json.loads(data)) for name, data in events(text) if data != "[DONE]"], True
    try:
        value = json.loads(text)
    except ValueError:
        return [], False  # lines of JSON (Ollama's own protocol), or no JSON at all
    return [("", value[0] if isinstance(value, list) else value)], False


class Reading:
    def __init__(self, path):
        raw = path.read_bytes()
        status, body = split_http(raw) if path.name.endswith(".http") else (200, raw)
        self.status = status
        self.text = ""
        self.strings = {}   # the message's other string members
        self.thinking = ""  # words in parts of the content
        self.calls = []
        self.finish = ""
        self.usage = None
        self.seen = False
        self.error = status != 200
        found, self.stream = objects(path, body) if status == 200 else ([], False)
        for name, value in found:
            if isinstance(value, dict):
                self.read(name, value)

    def read(self, name, value):
        if name == "error" or value.get("error"):
            self.error = True
        groq = value.get("x_groq") or {}
        usage = value.get("usage") or groq.get("usage")
        if usage and "prompt_tokens" in usage:
            prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
            self.usage = [prompt, completion, usage.get("total_tokens", prompt + completion)]
        for choice in value.get("choices") or []:
            if choice.get("index", 0) == 0:
                self.finish = choice.get("finish_reason") or self.finish
                said = choice.get("delta") if self.stream else choice.get("message")
                if isinstance(said, dict):
                    self.seen = True
                    self.add(said)

    def add(self, said):
        content = said.get("content") or ""
        for part in [content] if isinstance(content, str) else content:
            if isinstance(part, str):
                self.text += part
            elif part["type"] == "text":
                self.text += part["text"]
            elif part["type"] == "thinking":
                self.thinking += "".join(t["text"] for t in part["thinking"])
        for key, value in said.items():
            if isinstance(value, str) and value and key not in ("role", "content", "channel"):
                self.strings[key] = self.strings.get(key, "") + value
        for call in said.get("tool_calls") or []:
            self.add_call(call)

    def add_call(self, call):
        """An id that is new begins a call, also where the index is not (Cerebras sends 0 for all);
        without an id a delta goes on with the last call of its index."""
        function = call.get("function") or {}
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, separators=(",", ":"))
        same = [c for c in self.calls if call.get("id") in ("", None, c["id"])
                and call.get("index") == c["index"]]
        if not same or not self.stream:
            same = [{"index": call.get("index"), "id": call.get("id") or "",
                     "name": function.get("name") or "", "arguments": ""}]
            self.calls += same
        same[-1]["arguments"] += arguments


# ---- What the decoder made of them ----

def run_decoder(paths):
    """The decoder's lines for these files, spread over some processes, the largest work first."""
    def work(path):
        size = path.stat().st_size
        return size * (size if size < 8192 else 1000)

    shares = [[] for _ in range(PROCESSES)]
    loads = [0] * PROCESSES
    for path in sorted(paths, key=work, reverse=True):
        least = loads.index(min(loads))
        loads[least] += work(path)
        shares[least].append(path)
    running = [subprocess.Popen([DECODER, *share], stdout=subprocess.PIPE) for share in shares if share]
    lines, complaints = {}, []
    for process in running:
        output = process.communicate()[0].decode("utf-8", "replace").splitlines()
        for line in output:
            if line.startswith("{"):
                outcome = json.loads(line)
                lines[outcome["file"]] = outcome
        if process.returncode != 0:
            complaints.append(f"exit {process.returncode}: " + "\n".join(output[-3:]))
    assert not complaints, "\n".join(complaints)
    return lines


@pytest.fixture(scope="module")
def decoded():
    paths = recordings()
    lines = run_decoder(paths)
    assert len(lines) == len(paths)
    cuts = sum(line["cuts"] for line in lines.values())
    print(f"\n{len(paths)} recordings, decoded {cuts} times", file=sys.stderr)
    return {path: lines[str(path)] for path in paths}


def calls_of(message):
    return [{"id": c["id"], "name": c["function"]["name"], "arguments": c["function"]["arguments"]}
            for c in (message or {}).get("tool_calls", [])]


def thinking_of(message):
    content = (message or {}).get("content")
    if not isinstance(content, list):
        return ""
    return "".join(t["text"] for part in content if part["type"] == "thinking"
                   for t in part["thinking"])


def merged_deltas(outcome):
    """What a client that adds the deltas up ends with."""
    text, reasoning, calls = "", {}, {}
    for delta in outcome["deltas"]:
        if isinstance(delta, str):
            text += delta
            continue
        assert "role" not in delta
        for key, value in delta.items():
            if isinstance(value, str) and key != "channel":
                reasoning[key] = reasoning.get(key, "") + value
        for call in delta.get("tool_calls", []):
            whole = calls.setdefault(call["index"], "")
            arguments = (call.get("function") or {}).get("arguments") or ""
            calls[call["index"]] = whole + arguments
    return text, reasoning, calls


def compare(reading, outcome):
    assert outcome["text"] == reading.text
    message = outcome["message"]
    if reading.strings or reading.calls or reading.thinking:
        strings = {k: v for k, v in message.items()
                   if isinstance(v, str) and k not in ("role", "content")}
        assert strings == reading.strings
        assert calls_of(message) == [
            {k: c[k] for k in ("id", "name", "arguments")} for c in reading.calls]
        assert thinking_of(message) == reading.thinking
        assert message["role"] == "assistant"
        if not reading.thinking:
            assert message["content"] == (reading.text or None)
    assert outcome["finish_reason"] == reading.finish
    assert outcome["usage"] == (reading.usage or [-1, -1, -1])
    text, strings, calls = merged_deltas(outcome)
    assert text == reading.text and strings == reading.strings
    assert list(calls.values()) == [c["arguments"] for c in reading.calls]


def test_every_recording(decoded):
    wrong = []
    for path, outcome in decoded.items():
        reading = Reading(path)
        try:
            assert outcome["end"] in KNOWN_ENDS
            if reading.status != 200:
                assert outcome["end"] == "failed" and outcome["status"] == reading.status
                assert outcome["kind"] not in ("none", "garbled")
                assert outcome["message_of_error"]
            elif reading.error:
                assert outcome["end"] == "failed" and outcome["kind"] not in ("none", "garbled")
                compare(reading, outcome)
            elif reading.seen:
                assert outcome["end"] == "complete" and outcome["kind"] == "none"
                compare(reading, outcome)
            else:
                assert outcome["end"] == "failed" and outcome["kind"] == "garbled"
                assert outcome["text"] == "" and outcome["deltas"] == []
        except AssertionError as error:
            wrong.append(f"{path.relative_to(FIXTURES)}: {error}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:20])


# What PROVIDERS.md says about each of these refusals.
REFUSALS = {
    "alibaba-403-free-tier-only": ("credit", -1, False),
    "alibaba-429-rpm": ("rate", -1, False),
    "cerebras-429-queue": ("rate", -1, True),
    "cerebras-429-request-quota": ("rate", -1, False),
    "cerebras-429-token-quota": ("rate", -1, False),
    "cloudflare-429-3040": ("rate", -1, True),
    "cloudflare-429-4006": ("rate", -1, False),
    "cloudflare-edge-403-1010": ("unavailable", -1, False),
    "cohere-429-trial-minute": ("rate", -1, False),
    "cohere-429-trial-month": ("rate", -1, False),
    "gemini-openai-400-key-array": ("key", -1, False),
    "gemini-openai-429-array-perday": ("rate", -1, False),
    "github-models-429-user-by-minute": ("rate", 55000, False),
    "groq-413-request-too-large": ("request", -1, False),
    "groq-429-rpm": ("rate", 2000, False),
    "huggingface-402": ("credit", -1, False),
    "llamacpp-503-loading": ("unavailable", -1, False),
    "mistral-429-1300": ("rate", -1, False),
    "nvidia-400-degraded": ("unavailable", -1, False),
    "nvidia-404-function": ("model", -1, False),
    "nvidia-429": ("rate", -1, False),
    # decode-recording reads them at 1774047120000.
    "openrouter-429-free-models-per-day": ("rate", 1774137600000 - 1774047120000, False),
    "openrouter-429-free-models-per-min": ("rate", 1774047180000 - 1774047120000, False),
    "openrouter-429-limit-rpm-model": ("rate", 1785082980000 - 1774047120000, False),
}


def test_refusals(decoded):
    found = {path.name[:-len(".http")]: (o["kind"], o["retry_after_ms"], o["capacity"])
             for path, o in decoded.items() if path.parent.name == "captured-errors"}
    assert found == REFUSALS
