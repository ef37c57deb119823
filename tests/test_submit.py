"""freellm-submit through the real daemon: options, pipes, terminals, signals, exit codes."""
import json
import os
import re
import signal
import subprocess
import time

import pytest
from support import BUILD, ROOT
from support.mock import expected_chunks, expected_echo
from support.submit import COMMAND, Terminal, environment, read_until, run, running

pytestmark = pytest.mark.skipif(not os.path.exists(COMMAND), reason=f"no freellm-submit in {BUILD}")


@pytest.fixture
def submit(daemon):
    return lambda *words, **options: run(daemon.socket, *words, **options)


def asked(mock):
    """The bodies that the mock received."""
    return [json.loads(record["body"]) for record in mock.log()]


def behave(**behaviour):
    return ["--param", "mock=" + json.dumps(behaviour)]


def line_of(result):
    """The one line that an error is."""
    assert result.stdout == "" and result.stderr.endswith("\n") and result.stderr.count("\n") == 1, result
    assert result.stderr.startswith("freellm-submit: "), result
    return result.stderr


def test_words_are_the_prompt(mock, submit):
    result = submit("hello", "world")
    assert (result.returncode, result.stdout, result.stderr) == (0, expected_echo("mock", "hello world"), "")
    assert asked(mock)[0]["messages"] == [{"role": "user", "content": "hello world"}]


# What is sent

@pytest.mark.parametrize("words, members", [
    (["--max-tokens", "7"], {"max_tokens": 7}),
    (["--temperature", "0.25"], {"temperature": 0.25}),
    (["--param", "seed=5", "--param", "stop=[\"a\", \"b\"]"], {"seed": 5, "stop": ["a", "b"]}),
    (["--param", "reasoning_effort=low"], {"reasoning_effort": "low"}),
    (["--param", "user=a=b"], {"user": "a=b"}),
    (["--param", "user="], {"user": ""}),
    (["--param", "user=\"5\""], {"user": "5"}),
    (["--param", "seed=1", "--param", "seed=2"], {"seed": 2}),
    (["--param=logit_bias={\"50256\": -100}"], {"logit_bias": {"50256": -100}}),
    (["--no-stream"], {"stream": False}),
    ([], {"stream": True}),
    (["-m", "mock/mock"], {"model": "mock"}),
    (["--model=mock"], {"model": "mock"}),
])
def test_options_reach_the_provider(mock, submit, words, members):
    assert submit(*words, "hi").returncode == 0
    body = asked(mock)[0]
    assert {name: body.get(name, False) for name in members} == members


def test_system(mock, submit):
    submit("--system", "Be brief.", "hi")
    assert asked(mock)[0]["messages"] == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]


def test_messages_from_a_file(mock, submit, tmp_path):
    messages = [{"role": "user", "content": "höre"}, {"role": "assistant", "content": "ja"},
                {"role": "user", "content": [{"type": "text", "text": "und?"}]}]
    path = tmp_path / "messages.json"
    path.write_text(json.dumps(messages))
    assert submit("--messages", str(path)).returncode == 0
    assert submit("--cache", "off", "--messages", "-", stdin=json.dumps(messages)).returncode == 0
    assert [body["messages"] for body in asked(mock)] == [messages, messages]


def test_the_model_chooses_the_target(start_daemon, mock):
    daemon = start_daemon(mock, models={"one": {"context": 1000}, "two": {"context": 1000}})
    assert run(daemon.socket, "-m", "mock/two", "hi").returncode == 0
    assert asked(mock)[0]["model"] == "two"


@pytest.mark.parametrize("words, stdin, prompt", [
    (["write", "a message"], "+ a line\n", "write a message\n\n+ a line\n"),
    ([], "by itself", "by itself"),
    (["-"], "by itself", "by itself"),
    (["say", "-"], "this", "say\n\nthis"),
    (["words"], "", "words"),
    (["--", "--model"], None, "--model"),
    (["grüß", "日本"], "语\n", "grüß 日本\n\n语\n"),
])
def test_pipes(mock, submit, words, stdin, prompt):
    assert submit(*words, stdin=stdin).returncode == 0
    assert asked(mock)[0]["messages"][-1]["content"] == prompt


def test_files(mock, submit, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("some notes\n")
    submit("--file", str(path))
    submit("sum up", "--file", str(path), stdin="not read")
    submit("sum up", "--file", str(path), "-", stdin="and this")
    submit("sum up", "--file", "-", stdin="that")
    assert [body["messages"][0]["content"] for body in asked(mock)] == [
        "some notes\n", "sum up\n\nsome notes\n", "sum up\n\nsome notes\n\n\nand this", "sum up\n\nthat"]


def test_a_closed_standard_input_is_none(mock, daemon):
    result = subprocess.run(["/bin/sh", "-c", '"$0" hello <&-', COMMAND], env=environment(daemon.socket), timeout=120,
                            capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, expected_echo("mock", "hello"))


def test_a_large_prompt(mock, submit):
    text = "word " * 400_000
    assert submit(stdin=text).returncode == 0
    assert mock.log(bodies=False)[0]["body_bytes"] > len(text)


def test_the_socket_is_found(mock, daemon):
    assert run(None, "--socket", str(daemon.socket), "a").returncode == 0
    assert run("/nonexistent", "--socket", str(daemon.socket), "a").returncode == 0
    assert run(None, "b", env={"XDG_RUNTIME_DIR": str(daemon.home)}).returncode == 0
    assert run("", "b", env={"XDG_RUNTIME_DIR": str(daemon.home)}).returncode == 0


# The cache

def test_cache_and_its_modes(mock, submit):
    first = submit("q", "--json")
    again = submit("q", "--json")
    assert not json.loads(first.stdout)["cached"] and json.loads(again.stdout)["cached"]
    assert json.loads(first.stdout)["text"] == json.loads(again.stdout)["text"]
    assert submit("q").stdout == expected_echo("mock", "q") == submit("q", "--no-stream").stdout
    assert not json.loads(submit("q", "--json", "--cache", "off").stdout)["cached"]
    assert not json.loads(submit("q", "--json", "--cache", "refresh").stdout)["cached"]
    assert json.loads(submit("q", "--json", "--cache", "only").stdout)["cached"]
    assert submit("other", "--cache", "only").returncode == 69
    assert mock.stats()["requests"] == 3


def test_ttl(mock, submit):
    assert not json.loads(submit("q", "--json", "--ttl", "0").stdout)["cached"]
    assert not json.loads(submit("q", "--json", "--ttl", "100").stdout)["cached"]
    assert json.loads(submit("q", "--json").stdout)["cached"]


# What is printed

def test_json(mock, submit):
    result = submit("hi", "--json")
    assert result.returncode == 0 and result.stdout.count("\n") == 1 and result.stderr == ""
    answer = json.loads(result.stdout)
    text = expected_echo("mock", "hi")
    assert list(answer) == ["text", "message", "finish_reason", "usage", "provider", "model", "cached", "coalesced",
                            "attempts", "timing"]
    assert answer["text"] == text and answer["message"] == {"role": "assistant", "content": text}
    assert (answer["finish_reason"], answer["provider"], answer["model"]) == ("stop", "mock", "mock")
    assert answer["cached"] is False and answer["coalesced"] is False
    usage = answer["usage"]
    assert set(usage) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"] > 0
    attempt, = answer["attempts"]
    assert set(attempt) == {"provider", "model", "status", "error", "ms"}
    assert (attempt["provider"], attempt["model"], attempt["status"], attempt["error"]) == ("mock", "mock", 200, None)
    assert set(answer["timing"]) == {"queued_ms", "first_token_ms", "total_ms"}
    assert 0 <= answer["timing"]["first_token_ms"] <= answer["timing"]["total_ms"]


def test_json_of_a_failure(mock, submit):
    result = submit("hi", "--json", *behave(status=400, body="no"))
    assert result.returncode == 69
    answer = json.loads(result.stdout)
    assert list(answer) == ["error", "attempts"] and answer["attempts"][0]["status"] == 400
    assert answer["error"]["code"] == "upstream_rejected" and answer["error"]["retry_at_ms"] is None
    assert "upstream_rejected" in result.stderr
    result = submit("hi", "--json", *behave(status=429, headers={"Retry-After": "3600"}, body="{}"))
    error = json.loads(result.stdout)["error"]
    assert result.returncode == 75 and error["retry_at_ms"] > time.time() * 1000 + 3_000_000


def test_json_without_a_daemon(tmp_path):
    result = run(tmp_path / "none", "hi", "--json")
    assert result.returncode == 69
    assert json.loads(result.stdout)["error"]["code"] == "no_daemon" and json.loads(result.stdout)["attempts"] == []


def test_json_of_bad_input(submit, tmp_path):
    for words, stdin, status, code in [
            ([], b"abc\xff", 65, "bad_request"), ([], b"x" * (17 << 20), 65, "too_large"),
            (["--messages", "-"], b"[", 65, "bad_request"), (["--system", b"\xff"], b"hi", 65, "bad_request"),
            (["--file", str(tmp_path / "none")], None, 66, "no_input"),
            (["--file", b"no\xff"], None, 66, "no_input")]:
        result = submit("--json", *words, stdin=stdin, text=False)
        answer = json.loads(result.stdout)
        assert result.returncode == status and list(answer) == ["error", "attempts"]
        assert answer["error"]["code"] == code and answer["error"]["message"] in result.stderr.decode()
    result = submit("--json", "--param", "model=x", "hi")
    assert result.returncode == 64 and "freellmd's own" in line_of(result)


def test_verbose(mock, submit):
    result = submit("hi", "--verbose")
    assert result.stdout == expected_echo("mock", "hi")
    for part in ("mock/mock", "tokens", "first token after", "not cached", "attempts: 1"):
        assert part in result.stderr
    assert "from the cache" in submit("hi", "--verbose").stderr


def test_verbose_shows_the_attempts(mock, start_daemon):
    daemon = start_daemon(mock, options={"retry": {"backoff_base": "1 ms", "backoff_max": "5 ms"}})
    mock.script({"status": 503, "body": "{}"})
    result = run(daemon.socket, "hi", "--verbose")
    assert result.returncode == 0 and "attempt 1: mock/mock, HTTP 503" in result.stderr
    assert "attempt 2: mock/mock, HTTP 200" in result.stderr and "next is mock/mock" in result.stderr


def test_text_arrives_as_it_is_produced(mock, daemon):
    chunks = expected_chunks("mock", "a tale", 6)
    with running(daemon.socket, "a tale", *behave(chunks=6, after=2, fault="hang_mid_stream")) as process:
        start = read_until(process.stdout.fileno(), "".join(chunks[:2]).encode())
        assert process.poll() is None and start == "".join(chunks[:2]).encode()
        mock.release()
        rest, errors = process.communicate(timeout=120)
        assert (process.returncode, start + rest, errors) == (0, "".join(chunks).encode(), b"")


def test_no_stream_prints_it_whole(mock, daemon):
    result = run(daemon.socket, "a tale", "--no-stream", *behave(chunks=6, pace_ms=1))
    assert result.stdout == "".join(expected_chunks("mock", "a tale", 6))


# Exit codes

@pytest.mark.parametrize("words", [
    ["--nonsense"], ["--cache", "always", "x"], ["--class", "first", "x"], ["--ttl", "soon", "x"], ["--ttl", "-1", "x"],
    ["--deadline", "0", "x"], ["--deadline", "nan", "x"], ["--max-tokens", "0", "x"], ["--max-tokens", "1.5", "x"],
    ["--temperature", "hot", "x"], ["--temperature", "inf", "x"], ["--temperature", "", "x"], ["--param", "x", "x"],
    ["--param", "=x", "x"], ["--param", "stop=[1", "x"], ["--param", "model=x", "x"], ["--model"],
    ["--messages", "m.json", "and words"], ["--json=yes", "x"],
])
def test_usage_64(submit, mock, words):
    result = submit(*words)
    assert result.returncode == 64 and "usage: " in line_of(result)
    assert mock.stats()["requests"] == 0


@pytest.mark.parametrize("text, where", [
    ("[{\"role\": \"user\",\n \"content\": nope}]", "line 2, column"),
    ("", "line 1"),
    ("[{\"role\": \"user\", \"content\": \"x\"}, {}]", "message 2"),
    ("[]", "at least one message"),
    ("{\"role\": \"user\"}", "array"),
    ("[{\"role\": \"user\", \"role\": \"user\"}]", "duplicate"),
    ("[{\"role\": \"user\", \"content\": \"\\u0000\"}]", "line 1, column"),
    ("[" * 100_000, "line 1, column"),
    (b"[\"\xff\"]", "byte 2"),
])
def test_bad_messages_65(daemon, tmp_path, text, where):
    path = tmp_path / "messages.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = run(daemon.socket, "--messages", str(path))
    assert result.returncode == 65 and where in line_of(result) and str(path) in result.stderr


def test_messages_that_are_nested_too_deeply_65(submit, tmp_path):
    path = tmp_path / "messages.json"
    path.write_text('[{"role": "user", "content": ' + "[" * 50 + "]" * 50 + "}]")
    result = submit("--messages", str(path))
    assert result.returncode == 65 and "nested too deeply" in line_of(result)


@pytest.mark.parametrize("prompt, where", [
    (b"abc\xff", "not UTF-8 at byte 3"), (b"\xc3", "not UTF-8 at byte 0"), (b"ab\0c", "NUL at byte 2"),
    (b"", "empty"), (b" \n", "empty"), (b"\xed\xa0\x80", "byte 0"),
])
def test_bad_prompts_65(daemon, tmp_path, prompt, where):
    result = run(daemon.socket, stdin=prompt, text=False)
    assert result.returncode == 65 and where in result.stderr.decode() and result.stderr.count(b"\n") == 1
    path = tmp_path / "prompt"
    path.write_bytes(prompt)
    result = run(daemon.socket, "--file", str(path), text=False)
    assert result.returncode == 65 and where in result.stderr.decode()
    if b"\0" not in prompt:
        result = run(daemon.socket, prompt, text=False)
        assert result.returncode == 65 and where in result.stderr.decode()


def test_too_large_65(daemon, mock):
    result = run(daemon.socket, "count", stdin="x" * (17 << 20))
    assert result.returncode == 65 and "standard input is larger than 16777216 bytes" in line_of(result)
    result = run(daemon.socket, "count", stdin="x" * (16 << 20))
    assert result.returncode == 65 and "larger than" in line_of(result)
    assert mock.stats()["requests"] == 0


def test_missing_files_66(submit, tmp_path):
    for option in ("--file", "--messages"):
        result = submit(option, str(tmp_path / "none"))
        assert result.returncode == 66 and str(tmp_path / "none") in line_of(result)
    result = submit("--file", str(tmp_path))
    assert result.returncode == 66 and "directory" in line_of(result)


def test_no_daemon_69(tmp_path, start_daemon):
    result = run(tmp_path / "none.sock", "hi")
    assert result.returncode == 69 and str(tmp_path / "none.sock") in line_of(result)
    assert "`freellmd`" in result.stderr and "systemctl --user start freellmd" in result.stderr
    daemon = start_daemon()
    daemon.kill()
    result = run(daemon.socket, "hi")
    assert result.returncode == 69 and "nobody listens" in line_of(result)
    result = run(None, "hi", env={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert result.returncode == 69 and str(tmp_path / "freellmd.sock") in line_of(result)


def test_no_model_69(submit):
    result = submit("-m", "nobody/nothing", "hi")
    assert result.returncode == 69 and "no_provider: " in line_of(result)


def test_broken_off_74(submit):
    result = submit("a tale", *behave(chunks=10, after=3, fault="reset_mid_stream"))
    assert result.returncode == 74 and result.stdout == "".join(expected_chunks("mock", "a tale", 3))
    assert result.stderr.startswith("freellm-submit: interrupted: ") and result.stderr.count("\n") == 1


def test_try_again_75(submit):
    result = submit("hi", *behave(status=429, headers={"Retry-After": "300"}, body="{}"))
    assert result.returncode == 75
    found = re.search(r"try again at (?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d \(in (\d+) s\)$", line_of(result).rstrip())
    assert found and 200 < int(found.group(1)) <= 301


def test_deadline_75(submit):
    result = submit("hi", "--deadline", "0.3", *behave(fault="hang_before_headers"))
    assert result.returncode == 75 and "deadline_exceeded: " in line_of(result)


def test_not_permitted_77(daemon):
    os.chmod(daemon.socket, 0)
    # Root may connect anywhere; the daemon's folder is closed to nobody.
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        result = subprocess.run([COMMAND, "hi"], env=environment(daemon.socket), stdin=subprocess.DEVNULL, timeout=120,
                                capture_output=True, text=True, **other)
    except PermissionError:
        pytest.skip("nobody may not run what was built")
    assert result.returncode == 77 and "no_permission: " in line_of(result)


def test_a_socket_that_cannot_be_78(tmp_path):
    result = run("/" + "x" * 200, "hi")
    assert result.returncode == 78 and "longer than 107 bytes" in line_of(result)


def test_help_and_version():
    result = run(None, "--help")
    assert result.returncode == 0 and result.stderr == ""
    source = (ROOT / "client" / "arguments.c").read_text()
    names = re.findall(r'^\t\{"([a-z-]+)", ', source, re.M)
    assert len(names) == 19
    completion = (ROOT / "client" / "completion" / "freellm-submit.bash").read_text()
    for name in names:
        assert f"--{name}" in result.stdout and f"--{name}" in completion
    assert all(len(line) <= 90 for line in result.stdout.splitlines())
    result = run(None, "--version")
    assert result.returncode == 0 and re.fullmatch(r"freellm-submit \d+\.\d+\.\d+\n", result.stdout)


def test_help_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        assert subprocess.run([COMMAND, "--help"], stdout=full, timeout=120).returncode == 74


def test_completion():
    script = ROOT / "client" / "completion" / "freellm-submit.bash"

    def complete(*words):
        command = (f'. {script}; COMP_WORDS=(freellm-submit "$@"); COMP_CWORD=$#; _freellm_submit; '
                   'printf "%s\\n" "${COMPREPLY[@]}"')
        return subprocess.run(["bash", "--norc", "-c", command, "bash", *words], capture_output=True, text=True,
                              timeout=120, check=True).stdout.split()

    assert complete("--cache", "") == ["use", "refresh", "only", "off"]
    assert complete("--class", "b") == ["batch"]
    assert complete("--mes") == ["--messages"]
