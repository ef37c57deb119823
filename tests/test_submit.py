"""freellm-submit through the real daemon: options, pipes, terminals, signals, exit codes."""
import json
import os
import signal
import subprocess
import time

import pytest
from support import BUILD
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
