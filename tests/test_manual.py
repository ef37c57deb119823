"""The manual pages: they build, and they say what the programs do."""
import pathlib
import re
import shutil
import subprocess

import pytest
from support import BUILD, ROOT

PAGES = {
    name: ROOT / folder / f"{name}.scd"
    for folder, name in (
        ("client", "freellm-submit.1"),
        ("client", "libfreellm.3"),
        ("daemon", "freellmd.8"),
        ("daemon", "freellmd.ini.5"),
    )
}
SUBMIT = BUILD / "client" / "freellm-submit"
DAEMON = BUILD / "daemon" / "freellmd"


def text_of(name):
    """A page's source without scdoc's escapes."""
    return re.sub(r"\\(.)", r"\1", PAGES[name].read_text())


def section(name, title):
    found = re.search(rf"^# {title}\n(.*?)(?=^# |\Z)", text_of(name), re.M | re.S)
    assert found, f"{name} has no section {title}"
    return found[1]


def help_of(program):
    if not program.exists():
        pytest.skip(f"no {program}")
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", PAGES)
def test_page_builds_without_a_warning(name, tmp_path):
    if not shutil.which("scdoc"):
        pytest.skip("no scdoc")
    built = subprocess.run(["scdoc"], stdin=PAGES[name].open(), capture_output=True, text=True)
    assert (built.returncode, built.stderr) == (0, "")
    assert f'.TH "{name.rpartition(".")[0]}" "{name[-1]}"' in built.stdout
    page = tmp_path / name
    page.write_text(built.stdout)
    if shutil.which("man") and shutil.which("groff"):
        shown = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                               env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "NAME" in shown.stdout and "SEE ALSO" in shown.stdout


@pytest.mark.parametrize("name, program", [("freellm-submit.1", SUBMIT), ("freellmd.8", DAEMON)])
def test_page_lists_exactly_the_options(name, program):
    printed = set()
    for line in help_of(program).splitlines():
        found = re.match(r"\s+(?:(-\w), )?(--[\w-]+)", line)
        printed |= set(found.groups()) - {None} if found else set()
    assert len(printed) > 5
    listed = set()
    for line in section(name, "OPTIONS").splitlines():
        if line.startswith("*-"):
            listed |= set(re.findall(r"\*(--?[\w-]+)\*", line))
    assert listed == printed


def rows(table):
    """The cells of each row but the first, of the first table of a section."""
    cells = re.findall(r"^(\[\[|\||:)[<>-]? *(.*)$", table, re.M)
    result = []
    for mark, cell in cells:
        if mark in ("[[", "|"):
            result.append([])
        result[-1].append(cell.strip())
    return result[1:]


def test_exit_statuses_are_those_of_the_code():
    listed = {}
    for status, _, codes in rows(section("freellm-submit.1", "EXIT STATUS")):
        for code in codes.split(", ") if codes != "-" else []:
            assert code not in listed
            listed[code] = int(status)
    numbers = {name: int(value)
               for name, value in re.findall(r"#define\s+(EX_\w+)\s+(\d+)", pathlib.Path("/usr/include/sysexits.h").read_text())}
    numbers["EXIT_INTERRUPTED"] = 130
    source = (ROOT / "proto" / "error.c").read_text()
    coded = {name: numbers[status] for name, status in re.findall(r'\{"(\w+)", (E\w+)\}', source)}
    assert len(coded) == 18
    assert {code: listed.get(code) for code in coded} == coded
    library = (ROOT / "client" / "trouble.c").read_text()
    for name, status in re.findall(r'\{"(\w+)", (E\w+)\}', library):
        # A socket that cannot be one is a mistake in the configuration.
        assert numbers[status] in (listed[name], 78 if name == "no_daemon" else None), name
        coded.setdefault(name, numbers[status])
    coded["no_input"] = numbers["EX_NOINPUT"]  # the command's own
    assert listed["no_input"] == coded["no_input"]
    assert set(listed) == set(coded)


def test_exit_statuses_are_those_of_the_help():
    printed = [int(n) for n in re.findall(r"\b(\d+) [a-z]", help_of(SUBMIT).partition("Exit status:")[2])]
    listed = [int(row[0]) for row in rows(section("freellm-submit.1", "EXIT STATUS"))]
    assert listed == printed


def test_every_exit_status_of_the_daemon():
    source = (ROOT / "daemon" / "main.c").read_text()
    header = pathlib.Path("/usr/include/sysexits.h").read_text()
    used = {int(re.search(rf"#define\s+{name}\s+(\d+)", header)[1]) for name in re.findall(r"\bEX_\w+", source)}
    listed = {int(row[0]) for row in rows(section("freellmd.8", "EXIT STATUS"))}
    assert listed == used


def example_options():
    """{section: {option: value}} of the example, the sections under their general names."""
    general = {"provider": "[provider NAME]", "model": "[model PROVIDER/ID]", "key": "[key PROVIDER/NAME]"}
    result, current = {}, None
    for line in (ROOT / "freellmd.ini.example").read_text().splitlines():
        if found := re.match(r";?(\[(\w+).*\])$", line):
            current = result.setdefault(general.get(found[2], found[1]), {})
        elif found := re.match(r";(\w+) = (.*)$", line):
            current[found[1]] = found[2]
    return result


def test_every_option_of_the_configuration():
    listed, current = {}, None
    for line in section("freellmd.ini.5", "SECTIONS AND OPTIONS").splitlines():
        if line.startswith("## "):
            current = listed.setdefault(line[3:], {})
        elif found := re.match(r"\*(\w+)\* = _(.*)_$", line):
            current[found[1]] = found[2]
    example = example_options()
    assert sum(map(len, example.values())) > 60
    assert listed == example


def test_every_default_of_the_configuration():
    """What the example says of each option, bounds and default, stands in the page word for word."""
    page = " ".join(section("freellmd.ini.5", "SECTIONS AND OPTIONS").split())
    comment = []
    for line in (ROOT / "freellmd.ini.example").read_text().partition("; A whole example:")[0].splitlines():
        if re.match(r";\w+ = ", line):
            said = " ".join(" ".join(comment).split())
            assert said in page, said
        comment = comment + [line[2:]] if line.startswith("; ") else []


def test_every_function_of_the_library():
    header = (ROOT / "client" / "freellm.h").read_text()
    functions = set(re.findall(r"^FREELLM_API [^;]*?\b(freellm_\w+)\(", header, re.M))
    assert len(functions) > 20
    named = set(re.findall(r"\*(freellm_\w+)\*\(\)", text_of("libfreellm.3")))
    assert named == functions


def test_the_library_example_compiles(tmp_path):
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    code = re.search(r"^```\n(.*?)^```", section("libfreellm.3", "EXAMPLE"), re.M | re.S)[1]
    source = tmp_path / "example.c"
    source.write_text(code)
    checked = subprocess.run([compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
                              "-I", ROOT / "client", source], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_configuration_example_is_right(tmp_path):
    if not DAEMON.exists():
        pytest.skip(f"no {DAEMON}")
    code = re.search(r"^```\n(.*?)^```", section("freellmd.ini.5", "EXAMPLE"), re.M | re.S)[1]
    (tmp_path / "key").write_text("not-a-real-one-3\n")
    (tmp_path / "key").chmod(0o600)
    config = tmp_path / "freellmd.ini"
    config.write_text(code.replace("~/.config/freellmd/openrouter-b", str(tmp_path / "key")))
    checked = subprocess.run(
        [DAEMON, "--config", config, "--check-config"], capture_output=True, text=True,
        env={"GROQ_API_KEY": "not-a-real-one-1", "OPENROUTER_KEY_A": "not-a-real-one-2", "HOME": str(tmp_path)})
    assert checked.returncode == 0, checked.stderr
