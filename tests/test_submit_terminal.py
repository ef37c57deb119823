"""freellm-submit on a terminal, interrupted, with a reader that leaves, and with a daemon that dies."""
import json
import os
import re
import signal
import subprocess
import time

import pytest
from support import BUILD
from support.mock import expected_chunks, expected_echo
from support.submit import COMMAND, Terminal, environment, read_until, run, running

pytestmark = pytest.mark.skipif(not os.path.exists(COMMAND), reason=f"no freellm-submit in {BUILD}")

ERASE = b"\r\x1b[K"


def behave(**behaviour):
    return ["--param", "mock=" + json.dumps(behaviour)]


ENDLESS = behave(fault="endless_stream", pace_ms=1)
SILENT = behave(fault="hang_before_headers")


def shown(data):
    """What stands on the terminal in the end."""
    text = re.sub(rb"\x1b\[[0-9;]*m", b"", data).decode()
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r\x1b[K")[2] for line in lines)


# The status line

def test_status_line_is_shown_and_erased(mock, daemon):
    with Terminal(daemon.socket, "hello", *SILENT) as terminal:
        terminal.until("waiting for mock/mock… 1 s".encode())
        mock.wait_requests(1)
        mock.release()
        status, seen = terminal.end()
    assert status == 0
    assert shown(seen) == expected_echo("mock", "hello") + "\n"
    assert seen.index(b"waiting for") < seen.rindex(ERASE) < seen.index(expected_echo("mock", "hello").encode())


def test_no_status_line_once_text_has_come(mock, daemon):
    with Terminal(daemon.socket, "a tale", *behave(chunks=4, after=2, fault="hang_mid_stream")) as terminal:
        terminal.until("".join(expected_chunks("mock", "a tale", 2)).encode())
        time.sleep(1.5)  # a tick passes
        mock.wait_requests(1)
        mock.release()
        status, seen = terminal.end()
    assert status == 0 and b"waiting" not in seen[seen.rindex(ERASE):]
    assert shown(seen) == "".join(expected_chunks("mock", "a tale", 4)) + "\n"


@pytest.mark.parametrize("words, env", [
    (["--quiet"], {}), ([], {"TERM": "dumb"}), ([], {"TERM": ""}),
])
def test_no_status_line(mock, daemon, words, env):
    with Terminal(daemon.socket, "hello", *words, *behave(first_content_ms=1500), env=env) as terminal:
        status, seen = terminal.end()
    assert (status, seen.decode()) == (0, expected_echo("mock", "hello") + "\r\n")


def test_status_line_while_the_answer_is_piped(mock, daemon):
    with Terminal(daemon.socket, "hello", *SILENT, stdout=subprocess.PIPE) as terminal:
        terminal.until(b" 1 s")
        mock.wait_requests(1)
        mock.release()
        status, seen = terminal.end()
        assert terminal.process.stdout.read().decode() == expected_echo("mock", "hello")
        terminal.process.stdout.close()
    assert status == 0 and shown(seen) == ""


def test_no_colour_with_no_color(mock, daemon):
    for env, coloured in (({"NO_COLOR": "1"}, False), ({}, True)):
        with Terminal(daemon.socket, "hello", "--cache", "off", *behave(first_content_ms=300), env=env) as terminal:
            _, seen = terminal.end()
        assert b"waiting for" in seen and bool(re.search(rb"\x1b\[[0-9;]+m", seen)) == coloured


def test_a_terminal_that_is_not_unicode(mock, daemon):
    with Terminal(daemon.socket, "hello", *behave(first_content_ms=300), env={"LC_ALL": "C"}) as terminal:
        _, seen = terminal.end()
    assert b"waiting for mock/mock... 0 s" in seen


# What a terminal must not be told

NASTY = "a\x1b[31mred\x1b]0;title\x07b\x1bPq\x1b\\c\x9b2Jd\x9d0;t\x9ce\rf\x08g\x7fh\x00i\ttab é\nnext\x1b]52;c;AAAA\nrest"


@pytest.mark.parametrize("pieces", [False, True])
def test_escape_sequences_are_filtered_on_a_terminal(mock, daemon, pieces):
    # One character a chunk, or all at once.
    text = NASTY.replace("\x00", "")
    script = behave(text=text, **({"chunks": len(text)} if pieces else {}))
    with Terminal(daemon.socket, "--quiet", "x", *script) as terminal:
        status, seen = terminal.end()
    assert (status, seen.decode()) == (0, "aredbcdefghi\ttab é\r\nnext\r\nrest\r\n")
    # A pipe gets it as it is.
    result = subprocess.run([COMMAND, "x", *script], env=environment(daemon.socket), stdin=subprocess.DEVNULL,
                            capture_output=True, timeout=120)
    assert result.stdout.decode() == text


def test_an_error_cannot_write_on_the_terminal(mock, daemon):
    body = json.dumps({"error": {"message": "no\x1b[2J\r\nfreellm-submit: done\x9b2J"}})
    result = run(daemon.socket, "x", *behave(status=400, body=body))
    assert result.returncode == 69 and result.stderr.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.stderr)


# Ends of lines

def test_a_final_newline_only_where_it_is_needed(mock, daemon):
    for text, wanted in (("no end", "no end\r\n"), ("an end\n", "an end\r\n"), ("", "")):
        with Terminal(daemon.socket, "--quiet", "x", *behave(text=text)) as terminal:
            status, seen = terminal.end()
        assert (status, seen.decode()) == (0, wanted) or text == ""
    assert run(daemon.socket, "x", *behave(text="no end")).stdout == "no end"


def test_a_broken_answer_ends_its_line(mock, daemon):
    with Terminal(daemon.socket, "--quiet", "a tale", *behave(chunks=9, after=3, fault="reset_mid_stream")) as terminal:
        status, seen = terminal.end()
    text = "".join(expected_chunks("mock", "a tale", 3))
    assert status == 74 and seen.decode().startswith(text + "\r\nfreellm-submit: interrupted: ")


# Standard input

def test_a_terminal_is_not_read_when_there_are_words(mock, daemon):
    with Terminal(daemon.socket, "--quiet", "hello") as terminal:
        status, seen = terminal.end()
    assert (status, seen.decode()) == (0, expected_echo("mock", "hello") + "\r\n")


def test_a_terminal_and_no_prompt_is_usage(daemon):
    with Terminal(daemon.socket) as terminal:
        status, seen = terminal.end()
    assert status == 64 and b"usage: there is no prompt" in seen


def test_a_dash_reads_the_terminal(mock, daemon):
    with Terminal(daemon.socket, "--quiet", "-") as terminal:
        terminal.type(b"typed\n\x04")
        status, seen = terminal.end()
    assert status == 0 and expected_echo("mock", "typed\n").strip().encode() in seen


# Interrupting

def disconnected(mock):
    mock.wait_idle()
    return mock.log()[-1]["disconnected"]


def test_control_c_cancels_upstream(mock, daemon):
    with Terminal(daemon.socket, "a tale", *ENDLESS, stdin=subprocess.DEVNULL) as terminal:
        terminal.until(b"tale")
        terminal.type(b"\x03")
        status, seen = terminal.end()
    assert status == 130 and seen.endswith(b"\r\n") and b"freellm-submit" not in seen
    assert disconnected(mock)


def test_control_c_while_it_waits(mock, daemon):
    with Terminal(daemon.socket, "hello", *SILENT) as terminal:
        terminal.until(b"waiting for mock/mock")
        mock.wait_requests(1)
        terminal.type(b"\x03")
        status, seen = terminal.end()
    assert status == 130 and shown(seen).replace("^C", "") == ""
    assert disconnected(mock)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_cancel_upstream(mock, daemon, number):
    with running(daemon.socket, "a tale", *ENDLESS) as process:
        read_until(process.stdout.fileno(), b"tale")
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (128 + number, b"")
    assert disconnected(mock)


def test_cancel_in_json(mock, daemon):
    with running(daemon.socket, "a tale", "--json", *SILENT) as process:
        mock.wait_requests(1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 130 and json.loads(output)["error"]["code"] == "cancelled"


def test_a_second_interrupt_does_not_wait(mock, daemon):
    with running(daemon.socket, "hello", *SILENT) as process:
        mock.wait_requests(1)
        daemon.signal(signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)  # two signals at the same time are one
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 130
        finally:
            daemon.signal(signal.SIGCONT)


def test_an_interrupt_does_not_wait_long_for_a_stuck_daemon(mock, daemon):
    with running(daemon.socket, "hello", *SILENT) as process:
        mock.wait_requests(1)
        daemon.signal(signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 130
        finally:
            daemon.signal(signal.SIGCONT)


def test_an_interrupt_while_reading_standard_input(daemon):
    with running(daemon.socket, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"half a prompt")
        process.stdin.flush()
        with daemon.client() as client:
            while client.call("status")["sessions"] < 2:
                time.sleep(0.01)
        # It is connected, so its signals are caught; it reads soon.
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130


def test_ignored_signals_stay_ignored(mock, daemon):
    with running(daemon.socket, "hello", *SILENT,
                 preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        mock.wait_requests(1)
        process.send_signal(signal.SIGHUP)
        mock.release()
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0 and output.decode() == expected_echo("mock", "hello")


def test_killed(mock, daemon):
    with running(daemon.socket, "a tale", "--cache", "off", *ENDLESS) as process:
        read_until(process.stdout.fileno(), b"tale")
        process.kill()
    assert disconnected(mock)


# Readers that leave

def test_a_reader_that_has_seen_enough(mock, daemon):
    with running(daemon.socket, "a tale", *ENDLESS) as process:
        read_until(process.stdout.fileno(), b"tale")
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(120) == 74
        process.stdout = None
    assert disconnected(mock)


def test_head(mock, daemon):
    words = " ".join(f"'{word}'" for word in ["a tale", *ENDLESS])
    result = subprocess.run(["/bin/sh", "-c", f'"$0" {words} | head -c 10', COMMAND], env=environment(daemon.socket),
                            stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    assert (result.returncode, len(result.stdout), result.stderr) == (0, 10, b"")
    assert disconnected(mock)


def test_a_full_disk(mock, daemon):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([COMMAND, "a tale", *ENDLESS], env=environment(daemon.socket), stdout=full,
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    assert result.returncode == 74 and "No space left" in result.stderr and result.stderr.count("\n") == 1
    assert disconnected(mock)


def test_standard_output_that_is_closed(daemon):
    result = subprocess.run(["/bin/sh", "-c", '"$0" hello >&-', COMMAND], env=environment(daemon.socket), timeout=120,
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 74 and "cannot write the answer" in result.stderr


# Daemons that die

def test_the_daemon_is_killed_while_it_streams(mock, daemon):
    with running(daemon.socket, "a tale", *ENDLESS) as process:
        read_until(process.stdout.fileno(), b"tale")
        daemon.kill()
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 74 and errors.count(b"\n") == 1 and b"went away" in errors


def test_the_daemon_is_killed_before_it_answers(mock, daemon):
    with running(daemon.socket, "hello", "--json", *SILENT) as process:
        mock.wait_requests(1)
        daemon.kill()
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 74 and json.loads(output)["error"]["code"] == "interrupted"


# Other answers

def test_tool_calls_one_a_line(mock, daemon):
    calls = [{"name": "look", "arguments": '{"where":"here"}'}, {"name": "listen", "arguments": "{}"}]
    result = run(daemon.socket, "x", *behave(tool_calls=calls))
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0 and [call["function"]["name"] for call in lines] == ["look", "listen"]
    assert json.loads(lines[0]["function"]["arguments"]) == {"where": "here"}


@pytest.mark.parametrize("words", [[], ["--no-stream"]])
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning(mock, daemon, words, field):
    script = behave(reasoning="Let me see.", reasoning_field=field)
    result = run(daemon.socket, "x", "--reasoning", *words, *script)
    assert result.returncode == 0 and result.stdout == expected_echo("mock", "x")
    assert result.stderr.strip() == "Let me see."
    assert run(daemon.socket, "x", *words, *script).stderr == ""
