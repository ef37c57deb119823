"""./quickstart as a newcomer runs it, and what README.md shows."""
import os
import pathlib
import re
import signal
import subprocess

import pytest

from support import BUILD, PATIENCE, ROOT, wait_until

SECRET = "gsk_a_key_that_nobody_must_see"

# It builds into build/: one run of it is enough.
in_its_own_build = pytest.mark.skipif(BUILD != ROOT / "build", reason="quickstart uses build/")


def environment(tmp_path, **more):
    """Neither keys nor proxies of who runs the tests; what is made goes into a folder of its own."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "CI": "true", **more}


def start(tmp_path, *arguments, **more):
    return subprocess.Popen(
        [ROOT / "quickstart", *arguments], cwd=tmp_path, env=environment(tmp_path, **more), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def processes_of(run):
    """The command lines of what runs in its session."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            session = int((path / "stat").read_text().rpartition(")")[2].split()[3])
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if session == run.pid and line:
            found.append(line)
    return found


def nothing_is_left(run, tmp_path):
    wait_until(lambda: not processes_of(run), "everything it started ends")
    assert not list((tmp_path / "tmp").iterdir())


@in_its_own_build
def test_without_a_key_the_mock_answers_and_the_cache_repeats_it(tmp_path):
    run = start(tmp_path, "Why is the sky blue?")
    out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, out + err
    assert "MOCK" in out
    parts = re.split(r"^== .*\n", out, flags=re.MULTILINE)
    first, second = (part.strip() for part in parts[-3:-1])
    assert "Why is the sky blue?" in first
    assert first == second
    assert "mock/demo" in err
    assert re.search(r"cache", err)
    nothing_is_left(run, tmp_path)


@in_its_own_build
def test_a_key_in_dotenv_is_used_and_not_shown(tmp_path):
    (tmp_path / ".env").write_text(
        f"# keys\nexport GROQ_API_KEY='{SECRET}'\nGEMINI_API_KEY=\nUNRELATED=$(touch {tmp_path}/executed)\n"
    )
    run = start(tmp_path, "hello", HTTPS_PROXY="http://127.0.0.1:1")  # nobody listens there: no request leaves
    out, err = run.communicate(timeout=PATIENCE)
    assert "Using real providers: GROQ_API_KEY\n" in out
    assert "MOCK" not in out
    assert run.returncode in (69, 75), out + err
    assert SECRET not in out + err
    assert not (tmp_path / "executed").exists()
    nothing_is_left(run, tmp_path)


@in_its_own_build
def test_interrupted_it_stops_what_it_started(tmp_path):
    run = start(tmp_path, "one two three " * 200)
    while "MOCK" not in run.stdout.readline():
        assert run.poll() is None
    wait_until(lambda: any("freellm-submit" in line for line in processes_of(run)), "it asks")
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=PATIENCE)
    assert run.returncode == 130
    nothing_is_left(run, tmp_path)


def test_readme_shows_configuration_that_is_good(tmp_path):
    blocks = re.findall(r"^```ini\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        (tmp_path / "freellmd.ini").write_text(block)
        environ = environment(tmp_path, **{name: "k" for name in re.findall(r"env:(\w+)", block)})
        check = subprocess.run(
            [BUILD / "daemon" / "freellmd", "--config", tmp_path / "freellmd.ini", "--check-config"],
            env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        )
        assert check.returncode == 0, block + check.stdout + check.stderr
