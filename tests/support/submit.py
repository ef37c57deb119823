"""Runs freellm-submit: to its end, or on a terminal, or with a pipe that the test reads as it fills."""
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time

from . import BUILD, PATIENCE

COMMAND = str(BUILD / "client" / "freellm-submit")


def environment(socket=None, **env):
    """Without what the user of the tests has set."""
    foreign = re.compile(r"FREELLM_.*|XDG_RUNTIME_DIR|NO_COLOR|TERM|LANG|LC_.*")
    clean = {name: value for name, value in os.environ.items() if not foreign.fullmatch(name)}
    clean |= {"LC_ALL": "C.UTF-8", "TERM": "xterm"}
    if socket is not None:
        clean["FREELLM_SOCKET"] = str(socket)
    return {**clean, **env}


def run(socket, *words, stdin=None, env=None, text=True):
    """To the end: a CompletedProcess. stdin None: /dev/null; else what is piped."""
    if text and isinstance(stdin, bytes):
        stdin = stdin.decode()
    source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run([COMMAND, *words], capture_output=True, text=text, timeout=PATIENCE,
                          env=environment(socket, **(env or {})), **source)


@contextlib.contextmanager
def running(socket, *words, **options):
    """A process with pipes that is still running; killed at the end if it is."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen([COMMAND, *words], env=environment(socket), **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def read_until(descriptor, wanted, data=b""):
    """Reads until `wanted` has come, and returns all that has."""
    deadline = time.monotonic() + PATIENCE
    while wanted not in data:
        ready, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        assert ready, (wanted, data)
        block = os.read(descriptor, 65536)
        assert block, (wanted, data)
        data += block
    return data


class Terminal:
    """freellm-submit with a terminal as its standard output and error, and as its standard input unless told."""

    def __init__(self, socket, *words, env=None, stdin=None, stdout=None, stderr=None):
        self.master, slave = pty.openpty()
        self.seen = b""

        def own_terminal():
            os.setsid()
            import fcntl
            import termios
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [COMMAND, *words], env=environment(socket, **(env or {})), preexec_fn=own_terminal, pass_fds=[slave],
            stdin=slave if stdin is None else stdin, stdout=stdout or slave, stderr=stderr or slave)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

    def type(self, data):
        os.write(self.master, data)

    def until(self, wanted):
        self.seen = read_until(self.master, wanted, self.seen)
        return self.seen

    def end(self):
        """Reads to the end: (exit status, all that was shown)."""
        while True:
            try:
                block = os.read(self.master, 65536)
            except OSError:  # EIO: nobody has the terminal open any more
                break
            if not block:
                break
            self.seen += block
        return self.process.wait(PATIENCE), self.seen
