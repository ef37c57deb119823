"""Who may include what: the module map of the design, checked over the sources as they are.

Includes are followed through the project's own headers, so a forbidden library cannot come in by a detour."""
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("proto", "daemon", "client")

# A library's headers, and the modules that may see them. A module is a folder and the stem of a file, up to its
# first underscore when it is split in several files; "daemon/" is any module of that folder.
LIBRARIES = {
    "curl": (r"curl/", {"daemon/http"}),
    "lmdb": (r"lmdb\.h", {"daemon/store", "daemon/journal"}),
    "uv": (r"uv\.h", {"daemon/"}),
    "msgpack": (
        r"msgpack\.h|msgpack/",
        {"proto/", "client/", "daemon/main", "daemon/server", "daemon/session", "daemon/dispatch", "daemon/json_msgpack"},
    ),
    "jansson": (r"jansson\.h", {"daemon/", "client/"}),
    "sodium": (r"sodium\.h|sodium/", {"daemon/"}),
    "crypto": (r"openssl/", {"daemon/cache"}),
    "inih": (r"ini\.h", {"daemon/ini_file"}),
    "pcre2": (r"pcre2\.h", {"daemon/guard"}),
    "systemd": (r"systemd/", {"daemon/main", "daemon/log", "daemon/server"}),
}
LIBC = re.compile(
    r"(assert|ctype|errno|fcntl|float|grp|inttypes|limits|locale|malloc|math|netdb|poll|pthread|pwd|regex|sched|search"
    r"|semaphore|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|sysexits|syslog"
    r"|termios|time|uchar|unistd|wchar|getopt|langinfo|libgen|spawn|ucontext|glob|dirent|endian|err|threads)\.h"
    r"|(sys|linux|netinet|arpa|net|bits)/[a-z_0-9]+\.h"
)

# Bytes and time in, bytes and facts out.
PURE = {"quota", "sse", "openai", "guard", "choice", "job", "answer", "limits", "retry"}
IMPURE_LIBRARIES = {"uv", "curl", "lmdb"}
IMPURE_HEADERS = {"daemon/clock.h", "daemon/log.h"}
IMPURE_CALLS = re.compile(
    r"\b(time|clock_gettime|gettimeofday|clock|uv_now|uv_hrtime|random|rand|getrandom|getenv|fopen|open|socket"
    r"|printf|syslog)\s*\("
)
MUTABLE_STATIC = re.compile(r"^\s*static\s+(?!.*\bconst\b)[^(){};=]*(?:=[^;]*)?;", re.MULTILINE)

# Arrows point one way: a module sees nothing of a line above its own.
LAYERS = [
    {"main"},
    {"server"},
    {"session", "dispatch", "json_msgpack"},
    {"sched"},
    {"queue", "router", "ledger", "keyring", "cache", "http"},
    {"store", "journal"},
]


def sources():
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.[ch]"))


def name_of(path):
    return str(path.relative_to(ROOT))


def module_of(path):
    """daemon/http_pool.c belongs to daemon/http when there is a daemon/http.h."""
    stem = path.stem
    while "_" in stem and not (path.parent / (stem + ".h")).exists():
        stem = stem.rpartition("_")[0]
    base = stem.split("_")[0]
    if base != stem and (path.parent / (base + ".h")).exists():
        stem = base
    return f"{path.parent.name}/{stem}"


@functools.cache
def includes_of(path):
    """The headers a file names: (own headers as paths, the others by name)."""
    own, foreign = set(), set()
    for kind, name in re.findall(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', path.read_text(), re.MULTILINE):
        candidates = [path.parent / name, ROOT / "proto" / name, ROOT / "daemon" / name, ROOT / "client" / name]
        found = next((c.resolve() for c in candidates if c.exists()), None) if kind == '"' else None
        if found:
            own.add(found)
        else:
            foreign.add(name)
    return own, foreign


@functools.cache
def reach_of(path):
    """Everything a file sees, headers included by headers too."""
    own, foreign, todo = set(), set(), [path]
    while todo:
        direct, others = includes_of(todo.pop())
        foreign |= others
        todo += [header for header in direct if header not in own]
        own |= direct
    return own, foreign


def library_of(header):
    return next((name for name, (pattern, _) in LIBRARIES.items() if re.fullmatch(pattern + ".*", header)), None)


def allowed(module, modules):
    return module in modules or module.split("/")[0] + "/" in modules


def daemon_sources():
    return [path for path in sources() if path.parent.name == "daemon"]


def pure_sources():
    return [path for path in daemon_sources() if path.stem.split("_")[0] in PURE]


def test_there_is_something_to_check():
    assert [path for path in sources() if path.parent.name == "proto"]
    assert daemon_sources()
    assert pure_sources()


def test_libraries_are_seen_by_their_modules_only():
    wrong = []
    for path in sources():
        for header in reach_of(path)[1]:
            library = library_of(header)
            if library is None:
                if not LIBC.fullmatch(header) and not header.startswith("config."):
                    wrong.append(f"{name_of(path)}: {header} is neither libc nor a library this test knows")
            elif not allowed(module_of(path), LIBRARIES[library][1]):
                wrong.append(f"{name_of(path)}: {header} belongs to {sorted(LIBRARIES[library][1])}")
    assert not wrong


def test_protocol_client_and_daemon_stay_apart():
    forbidden = {"proto": ("daemon", "client"), "client": ("daemon",), "daemon": ("client",)}
    assert not [
        f"{name_of(path)} sees {name_of(header)}"
        for path in sources()
        for header in reach_of(path)[0]
        if header.parent.name in forbidden[path.parent.name]
    ]


def test_pure_modules_are_pure():
    wrong = []
    for path in pure_sources():
        own, foreign = reach_of(path)
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)
        code = re.sub(r'"(\\.|[^"\\])*"', '""', code)
        found = [header for header in foreign if library_of(header) in IMPURE_LIBRARIES]
        found += IMPURE_HEADERS & {name_of(header) for header in own}
        found += IMPURE_CALLS.findall(code) + MUTABLE_STATIC.findall(code)
        wrong += [f"{name_of(path)}: {what}" for what in found]
    assert not wrong


def layer_of(module):
    return next((depth for depth, names in enumerate(LAYERS) if module.partition("/")[2] in names), None)


def test_arrows_point_one_way():
    wrong = []
    for path in daemon_sources():
        depth = layer_of(module_of(path))
        for header in reach_of(path)[0]:
            other = layer_of(module_of(header)) if header.parent.name == "daemon" else None
            if depth is not None and other is not None and other < depth:
                wrong.append(f"{name_of(path)} sees {name_of(header)}")
    assert not wrong


def test_internal_headers_stay_inside():
    assert not [
        f"{name_of(path)} sees {name_of(header)}"
        for path in sources()
        for header in includes_of(path)[0]
        if header.stem.endswith("_internal") and module_of(header) != module_of(path)
    ]


def test_secrets_are_asked_for_in_one_place():
    """keyring hands a secret out, and what gives it to http asks; no other module has a use for it."""
    users = {module_of(path) for path in sources() if path.suffix == ".c" and "keyring_secret" in path.read_text()}
    assert users <= {"daemon/keyring", "daemon/http", "daemon/sched"}
