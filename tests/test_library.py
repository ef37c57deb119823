"""libfreellm as a program outside the project meets it: installed, found by pkg-config, shared and static."""
import ctypes
import errno
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
from support import BUILD, ROOT
from support.mock import expected_echo
from support.submit import environment

LIBRARY = BUILD / "client" / "libfreellm.so"
pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason=f"no libfreellm in {BUILD}")


SANITIZED = LIBRARY.exists() and b"__asan_init" in LIBRARY.resolve().read_bytes()
# Before any fixture: a daemon that is stopped at once has had no time to say goodbye.
unsanitized = pytest.mark.skipif(SANITIZED, reason="a library with sanitizers needs a program with them")


def call(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)
    assert result.returncode == 0, (command, result.stdout, result.stderr)
    return result.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Everything as `meson install` leaves it, somewhere else."""
    folder = tmp_path_factory.mktemp("installed")
    if shutil.which("meson") is None or shutil.which("pkg-config") is None:
        pytest.skip("no meson or no pkg-config")
    call("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", env={**os.environ, "DESTDIR": str(folder)})
    pc, = folder.rglob("libfreellm.pc")
    return folder / re.search(r"^prefix=/(.*)$", pc.read_text(), re.M).group(1), pc.parent


def compiled(prefix, program, kind):
    prefix, pc = prefix
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc)}
    static = ["--static"] if kind == "static" else []
    flags = call("pkg-config", "--define-variable", f"prefix={prefix}", "--cflags", "--libs", *static, "libfreellm",
                 env=env).split()
    if kind == "static":
        flags = ["-l:libfreellm.a" if flag == "-lfreellm" else flag for flag in flags]
    call("cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program,
         ROOT / "tests" / "library" / "example.c", *flags)
    return program, {"LD_LIBRARY_PATH": str(pc.parent)} if kind == "shared" else {}


@unsanitized
@pytest.mark.parametrize("kind", ["shared", "static"])
def test_a_program_with_the_installed_library(mock, daemon, prefix, tmp_path, kind):
    program, env = compiled(prefix, tmp_path / "example", kind)
    needed = re.findall(r"NEEDED\s+(\S+)", call("objdump", "-p", program))
    assert ("libfreellm.so.0" in needed) == (kind == "shared")
    check_example(program, mock, environment(daemon.socket, **env))


def test_the_program_of_the_build(mock, daemon):
    check_example(BUILD / "tests" / "library-example", mock, environment(daemon.socket))


def check_example(program, mock, env):
    text = expected_echo("mock", "hello")
    assert call(program, "hello", env=env).splitlines() == [
        "", "-125  / cached -1 attempts 0 chunks 0 error 'cancelled' exit 130",
        text, "0 stop mock/mock cached 0 attempts 1 chunks 1 error '' exit 0",
        text, "0 stop mock/mock cached 1 attempts 0 chunks 1 error '' exit 0"]
    assert mock.stats()["requests"] == 1 and mock.log()[0]["body"].count('"temperature":0.5') == 1


def declared():
    header = (ROOT / "client" / "freellm.h").read_text()
    return set(re.findall(r"^FREELLM_API [^;(]*?(freellm_\w+)\(", header, re.M))


def test_only_what_the_header_declares_is_exported():
    lines = call("nm", "-D", "--defined-only", LIBRARY).splitlines()
    exported = {line.split()[-1] for line in lines}
    exported = {name for name in exported if not name.startswith(("__asan", "__ubsan", "__odr_asan", "__sanitizer"))}
    assert exported == declared() and len(exported) >= 30


def test_the_soname():
    assert "SONAME               libfreellm.so.0\n" in call("objdump", "-p", LIBRARY)


def test_the_archive_has_only_those_names_too(prefix):
    archive, = prefix[0].parent.rglob("libfreellm.a")
    lines = call("nm", "-g", "--defined-only", archive).splitlines()
    names = {line.split()[-1] for line in lines if len(line.split()) == 3}
    if SANITIZED:
        names = {name for name in names if "asan" not in name and "ubsan" not in name}
    assert names == declared()


def test_a_header_for_cplusplus(tmp_path):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    source = tmp_path / "x.cc"
    source.write_text('#include "freellm.h"\nint main() { return freellm_api() < 0; }\n')
    call("c++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT / 'client'}", source)


def test_what_is_installed(prefix):
    root = prefix[0]
    for path in ("bin/freellm-submit", "bin/freellmd", "include/freellm.h",
                 "share/bash-completion/completions/freellm-submit"):
        assert (root / path).exists(), path
    assert call(root / "bin" / "freellm-submit", "--version").startswith("freellm-submit ")


# Through the shared library itself

PROMPT, SYSTEM, MODEL, CACHE = 1, 2, 3, 8
STREAM, TTL, DEADLINE = 1, 2, 3
CHUNK, TICK = 3, 7
ERROR_CODE = 9


class Event(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("position", ctypes.c_int64), ("eta_ms", ctypes.c_int64),
                ("target", ctypes.c_char_p), ("text", ctypes.c_char_p), ("text_len", ctypes.c_size_t),
                ("elapsed_ms", ctypes.c_int64)]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Event))


class Library:
    def __init__(self):
        self.c = ctypes.CDLL(str(LIBRARY))
        for name in ("freellm_create", "freellm_request_create"):
            getattr(self.c, name).restype = ctypes.c_void_p
        for name in ("freellm_error", "freellm_message", "freellm_request_message", "freellm_result_text"):
            getattr(self.c, name).restype = ctypes.c_char_p
        self.handle = ctypes.c_void_p(self.c.freellm_create())
        self.request = ctypes.c_void_p(self.c.freellm_request_create())

    def text(self, field, text):
        return self.c.freellm_request_set_text(self.request, field, text, ctypes.c_size_t(len(text or b"")))

    def number(self, field, value):
        return self.c.freellm_request_set_number(self.request, field, ctypes.c_int64(value))

    def messages(self, json):
        return self.c.freellm_request_set_messages(self.request, json, ctypes.c_size_t(len(json or b"")))

    def param(self, name, json):
        return self.c.freellm_request_set_param(self.request, name, json, ctypes.c_size_t(len(json or b"")))

    def submit(self, callback=None):
        """(what it returned, the result's text, the result's error code)"""
        result = ctypes.c_void_p()
        status = self.c.freellm_submit(
            self.handle, self.request, CALLBACK(callback) if callback else None, None, ctypes.byref(result))
        text = self.c.freellm_result_text(result, 1, None).decode()
        code = self.c.freellm_result_text(result, ERROR_CODE, None).decode()
        self.c.freellm_result_destroy(result)
        assert code == self.c.freellm_error(self.handle).decode()
        return status, text, code


@pytest.fixture
def library(daemon):
    library = Library()
    assert library.c.freellm_set_socket(library.handle, str(daemon.socket).encode()) == 0
    yield library
    library.c.freellm_request_destroy(library.request)
    library.c.freellm_destroy(library.handle)


@unsanitized
def test_a_timeout_cancels(mock, library):
    library.c.freellm_set_timeout(library.handle, ctypes.c_int64(200))
    library.text(PROMPT, b"hello")
    library.param(b"mock", b'{"fault": "hang_before_headers"}')
    assert library.submit() == (-errno.ETIMEDOUT, "", "timed_out")
    mock.wait_idle()
    assert mock.log()[0]["disconnected"]
    # The connection is as good as before.
    library.c.freellm_set_timeout(library.handle, ctypes.c_int64(0))
    library.param(b"mock", None)
    assert library.submit() == (0, expected_echo("mock", "hello"), "")


@unsanitized
def test_a_timeout_counts_connecting(mock, daemon, library):
    daemon.signal(signal.SIGSTOP)
    try:
        library.c.freellm_set_timeout(library.handle, ctypes.c_int64(200))
        library.text(PROMPT, b"hello")
        assert library.submit() == (-errno.ETIMEDOUT, "", "timed_out")
        # Its own bound is another matter: freellm_connect() has no other.
        library.c.freellm_set_timeout(library.handle, ctypes.c_int64(0))
        assert library.submit() == (-errno.ETIMEDOUT, "", "no_daemon")
    finally:
        daemon.signal(signal.SIGCONT)
    assert library.submit()[0] == 0


@unsanitized
def test_a_callback_that_has_enough(mock, library):
    seen = []

    def stop(_, event):
        seen.append(event.contents.kind)
        return event.contents.kind == CHUNK

    library.text(PROMPT, b"hello")
    library.number(STREAM, 1)
    library.param(b"mock", b'{"fault": "endless_stream", "pace_ms": 1}')
    assert library.submit(stop) == (-errno.ECANCELED, "", "cancelled")
    assert seen.count(CHUNK) == 1
    mock.wait_idle()
    assert mock.log()[0]["disconnected"]


@unsanitized
def test_a_cancel_from_another_thread_and_ticks(mock, library):
    ticks = []

    def tick(_, event):
        ticks.append(event.contents.kind)
        if ticks.count(TICK) == 3:
            threading.Thread(target=library.c.freellm_cancel, args=[library.handle]).start()
        return 0

    library.c.freellm_set_tick(library.handle, ctypes.c_int64(10))
    library.text(PROMPT, b"hello")
    library.param(b"mock", b'{"fault": "hang_before_headers"}')
    assert library.submit(tick) == (-errno.ECANCELED, "", "cancelled")
    library.param(b"mock", None)
    assert library.submit()[0] == 0


@unsanitized
def test_the_daemon_comes_back(mock, daemon, library):
    library.text(PROMPT, b"hello")
    assert library.submit()[0] == 0
    daemon.kill()
    assert library.submit()[::2] == (-errno.ECONNREFUSED, "no_daemon")
    daemon.start()
    assert library.submit()[0] == 0
    daemon.restart()
    assert library.submit()[0] == 0


@unsanitized
def test_what_the_setters_refuse(library):
    assert library.text(PROMPT, b"a\xff") == -errno.EILSEQ
    assert library.c.freellm_request_message(library.request) == b"the text is not UTF-8 at byte 1"
    assert library.text(CACHE, b"maybe") == -errno.EINVAL and library.text(99, b"x") == -errno.EINVAL
    assert library.number(STREAM, 2) == library.number(TTL, -2) == library.number(DEADLINE, -1) == -errno.EINVAL
    assert library.number(99, 1) == -errno.EINVAL
    assert library.messages(b"[") == library.messages(b"[]") == library.messages(b"[5]") == -errno.EBADMSG
    assert library.param(b"model", b"1") == library.param(b"", b"1") == library.param(b"x" * 65, b"1") == -errno.EINVAL
    assert library.param(b"x", b"{") == -errno.EBADMSG and library.param(b"x", b'"\xff"') == -errno.EILSEQ
    for i in range(128):
        assert library.param(b"p%d" % i, b"1") == 0
    assert library.param(b"more", b"1") == -errno.E2BIG and library.param(b"p5", b"2") == 0
    assert library.param(b"p5", None) == 0 and library.param(b"more", b"1") == 0
    assert library.c.freellm_request_message(library.request) == b""


@unsanitized
def test_requests_that_cannot_be(library):
    assert library.submit()[::2] == (-errno.EINVAL, "bad_request")
    library.text(PROMPT, b"x")
    library.messages(b'[{"role": "user", "content": "x"}]')
    assert library.submit()[::2] == (-errno.EINVAL, "bad_request")
    library.messages(None)
    library.param(b"deep", b"[" * 14 + b"]" * 14)
    assert library.submit()[::2] == (-errno.E2BIG, "bad_request")
    library.param(b"deep", None)
    library.text(PROMPT, b"x" * (17 << 20))
    assert library.submit()[::2] == (-errno.EMSGSIZE, "too_large")
    library.text(PROMPT, b"x")
    assert library.submit()[0] == 0
