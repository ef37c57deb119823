"""libfreellm as a program outside the project meets it: installed, found by pkg-config, shared and static."""
import os
import re
import shutil
import subprocess

import pytest
from support import BUILD, ROOT
from support.mock import expected_echo
from support.submit import environment

LIBRARY = BUILD / "client" / "libfreellm.so"
pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason=f"no libfreellm in {BUILD}")


def sanitized():
    return b"__asan_init" in LIBRARY.resolve().read_bytes()


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


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_a_program_with_the_installed_library(mock, daemon, prefix, tmp_path, kind):
    if sanitized():
        pytest.skip("a library with sanitizers needs a program with them")
    program, env = compiled(prefix, tmp_path / "example", kind)
    needed = re.findall(r"NEEDED\s+(\S+)", call("objdump", "-p", program))
    assert ("libfreellm.so.0" in needed) == (kind == "shared")
    text = expected_echo("mock", "hello")
    assert call(program, "hello", env=environment(daemon.socket, **env)).splitlines() == [
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
    if sanitized():
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
