"""The catalogue as data, read with Python's own INI parser and checked by rules written out here a second time."""
import configparser
import pathlib
import re
import urllib.parse

import pytest

CATALOG = pathlib.Path(__file__).resolve().parent.parent / "daemon" / "providers.ini"

PROVIDERS = """openrouter groq cerebras gemini mistral codestral cohere nvidia github cloudflare huggingface sambanova
scaleway alibaba fireworks nebius novita hyperbolic vercel upstage ollama ollama-cloud llamacpp""".split()

PROVIDER_OPTIONS = set(
    """env base_url needs_key enabled stream_usage drop rename set headers limits counts trains_on_prompts region
    first_byte_timeout max_connections default_model updated source notes""".split()
)
MODEL_OPTIONS = set("context max_output good_at size limits weight enabled updated source notes".split())

LIMIT = re.compile(
    r"[1-9]\d* concurrent"
    r"|\d+ [a-z][a-z_]* per ([1-9]\d* ?)?(s|second|minute|hour|day|week|month)"
    r"( aligned| refill| resets ([01]\d|2[0-3]):[0-5]\d [A-Za-z]+(/[A-Za-z_]+)*)?"
)
NAMES = re.compile(r"[a-z_]+(, [a-z_]+)*")
SET = re.compile(r'[a-z_]+<=[1-9]\d*|[a-z_]+=(true|false|null|-?\d+(\.\d+)?|"[^",]*")( default)?( if [a-z_]+)?')

# What each provider's free tier allows, by section name: the seed table of the provider facts, written out again.
# Amounts that the facts call unknown are absent here as in the catalogue.
SEED = {
    "provider openrouter": {"20 requests per minute", "50 requests per day"},
    "model groq/openai/gpt-oss-120b": {
        "30 requests per minute", "1000 requests per day", "8000 tokens per minute", "200000 tokens per day"},
    "model groq/openai/gpt-oss-20b": {
        "30 requests per minute", "1000 requests per day", "8000 tokens per minute", "200000 tokens per day"},
    "model groq/llama-3.1-8b-instant": {
        "30 requests per minute", "14400 requests per day", "6000 tokens per minute", "500000 tokens per day"},
    "model cerebras/gpt-oss-120b": {
        "5 requests per minute", "150 requests per hour", "2400 requests per day", "30000 tokens per minute",
        "1000000 tokens per hour", "1000000 tokens per day"},
    "model gemini/gemini-2.5-flash": {
        "5 requests per minute", "250000 input_tokens per minute", "20 requests per day"},
    "model gemini/gemini-3.1-flash-lite": {
        "15 requests per minute", "250000 input_tokens per minute", "500 requests per day"},
    "model gemini/gemma-3-27b-it": {
        "30 requests per minute", "15000 input_tokens per minute", "14400 requests per day"},
    "model mistral/mistral-small-latest": {"4 requests per minute", "25000 tokens per minute"},
    "provider codestral": {"30 requests per minute", "2000 requests per day"},
    "provider cohere": {"20 requests per minute", "1000 requests per month"},
    "provider nvidia": {"40 requests per minute", "10000 requests per day"},
    "provider cloudflare": {"300 requests per minute", "10000 neurons per day"},
    "provider huggingface": set(),
    "model sambanova/Meta-Llama-3.3-70B-Instruct": {
        "20 requests per minute", "20 requests per day", "200000 tokens per day"},
    "provider fireworks": {"10 requests per minute"},
    "model nebius/openai/gpt-oss-120b": {"60 requests per minute", "400000 tokens per minute"},
    "provider hyperbolic": {"60 requests per minute"},
    "provider ollama": set(),
    "provider llamacpp": set(),
    "provider ollama-cloud": {"1 concurrent"},
}

# How the window really moves, where the facts say so; everything else must slide.
WINDOWS = {
    "openrouter": {"minute": "aligned", "day": "resets 00:00 UTC"},
    "groq": {"minute": "refill", "day": "refill"},
    "cerebras": {"minute": "refill", "hour": "refill", "day": "refill"},
    "gemini": {"day": "resets 00:00 America/Los_Angeles"},
    "mistral": {"minute": "aligned"},
    "cohere": {"month": "resets 00:00 UTC"},
    "cloudflare": {"day": "resets 00:00 UTC"},
}

BASE_URLS = {
    "openrouter": "https://openrouter.ai/api/v1",
    "groq": "https://api.groq.com/openai/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "mistral": "https://api.mistral.ai/v1",
    "codestral": "https://codestral.mistral.ai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "nvidia": "https://integrate.api.nvidia.com/v1",
    "github": "https://models.github.ai/inference",
    "cloudflare": "https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1",
    "huggingface": "https://router.huggingface.co/v1",
    "sambanova": "https://api.sambanova.ai/v1",
    "scaleway": "https://api.scaleway.ai/v1",
    "alibaba": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
    "nebius": "https://api.tokenfactory.nebius.com/v1",
    "novita": "https://api.novita.ai/openai/v1",
    "hyperbolic": "https://api.hyperbolic.xyz/v1",
    "vercel": "https://ai-gateway.vercel.sh/v1",
    "upstage": "https://api.upstage.ai/v1",
    "ollama": "http://localhost:11434/v1",
    "ollama-cloud": "https://ollama.com/v1",
    "llamacpp": "http://localhost:8080/v1",
}


@pytest.fixture(scope="module")
def catalog():
    parser = configparser.ConfigParser(
        delimiters=("=",), comment_prefixes=(";",), inline_comment_prefixes=None, interpolation=None, strict=True,
        empty_lines_in_values=False, default_section="there is none",
    )
    parser.optionxform = str
    parser.read_string(CATALOG.read_text(encoding="utf-8"))
    return {
        section: {name: " ".join(value.split()) for name, value in parser[section].items()}
        for section in parser.sections()
    }


def providers(catalog):
    return {name.split(" ", 1)[1]: options for name, options in catalog.items() if name.startswith("provider ")}


def models(catalog):
    return {name.split(" ", 1)[1]: options for name, options in catalog.items() if name.startswith("model ")}


def limits_of(options):
    return [limit.strip() for limit in options.get("limits", "").split(",") if limit.strip()]


def test_lines_fit_the_parser():
    for number, line in enumerate(CATALOG.read_bytes().split(b"\n"), 1):
        assert len(line) < 200, f"line {number}: the daemon's parser cuts lines at 200 bytes"
        assert line == line.rstrip() and b"\t" not in line and line.isascii(), f"line {number}"
        assert line.startswith(b";") or b" ;" not in line, f"line {number}: ' ;' would begin a comment"


def test_every_section_is_a_provider_or_a_model_of_one(catalog):
    assert sorted(providers(catalog)) == sorted(PROVIDERS)
    for name, options in catalog.items():
        kind, _, rest = name.partition(" ")
        assert kind in ("provider", "model"), name
        assert set(options) <= (PROVIDER_OPTIONS if kind == "provider" else MODEL_OPTIONS), name
        assert kind == "provider" or rest.partition("/")[0] in PROVIDERS and rest.partition("/")[2], name


def test_everything_says_where_it_is_from_and_when(catalog):
    text = CATALOG.read_text()
    tags = set(re.findall(r"^;   (\w+)  +\S", text[text.index("; Sources:"):], re.MULTILINE)) | {"doc"}
    for name, options in catalog.items():
        assert re.fullmatch(r"2026-(0[1-9]|10)(-\d\d)?", options.get("updated", "")), name
        sources = [source.strip() for source in options.get("source", "").split(",")]
        assert all(source.partition(":")[0] in tags for source in sources), f"{name}: {sources}"
        marked = re.search(r"from memory|\(memory\)", options.get("notes", ""))
        assert ("memory" in sources) == bool(marked), f"{name}: the notes must say what is from memory"


def test_values_have_their_form(catalog):
    for name, options in catalog.items():
        for option in ("needs_key", "enabled", "stream_usage"):
            assert options.get(option, "yes") in ("yes", "no"), name
        for option in ("context", "max_output"):
            assert re.fullmatch(r"[1-9]\d{3,7}", options.get(option, "4096")), name
        assert re.fullmatch(r"[1-9]\d*(\.\d+)?", options.get("size", "1")), name
        assert re.fullmatch(r"neurons=\d+/\d+", options.get("weight", "neurons=1/1")), name
        good_at = {"chat", "code", "reasoning", "vision", "tools", "multilingual", "moderation"}
        assert set(options.get("good_at", "chat").split(", ")) <= good_at, name
        assert all(LIMIT.fullmatch(limit) for limit in limits_of(options)), f"{name}: {limits_of(options)}"
        assert len(limits_of(options)) <= 16
        assert NAMES.fullmatch(options.get("drop", "a")), name
        assert re.fullmatch(r"[a-z_]+=[a-z_]+(, [a-z_]+=[a-z_]+)*", options.get("rename", "a=b")), name
        assert all(SET.fullmatch(part) for part in options.get("set", "a=1").split(", ")), name
        assert set(options.get("counts", "input").split(", ")) <= {"input", "estimate", "failed"}, name
        assert options.get("trains_on_prompts", "unknown") in ("yes", "no", "unknown"), name
        assert re.fullmatch(r"[1-9]\d* (s|ms|min)", options.get("first_byte_timeout", "1 s")), name
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", env) for env in options.get("env", "A_B").split(", ")), name


def test_providers_are_where_the_facts_say(catalog):
    assert {name: options["base_url"] for name, options in providers(catalog).items()} == BASE_URLS
    services = []
    for name, url in BASE_URLS.items():
        parts = urllib.parse.urlsplit(url)
        local = parts.hostname == "localhost"
        assert parts.scheme == ("http" if local else "https") and not url.endswith("/"), name
        services.append((parts.hostname, parts.port))
        options = providers(catalog)[name]
        assert (options.get("needs_key") == "no") == local, name
        assert ("env" in options) != local, name
    assert len(set(services)) == len(services), "two sections reach the same service"


def test_each_key_belongs_to_one_provider(catalog):
    names = [env for options in providers(catalog).values() for env in options.get("env", "").split(", ") if env]
    assert len(set(names)) == len(names)
    for name in "GROQ OPENROUTER CEREBRAS GEMINI MISTRAL CODESTRAL COHERE NVIDIA".split():
        assert providers(catalog)[name.lower()]["env"].startswith(name + "_API_KEY")


def test_what_is_gone_or_local_is_off(catalog):
    off = {name for name, options in providers(catalog).items() if options.get("enabled") == "no"}
    assert off == {"github", "ollama", "llamacpp"}


def test_default_models_exist_and_are_on(catalog):
    for name, options in providers(catalog).items():
        if name in ("ollama", "llamacpp"):
            assert "default_model" not in options
            continue
        model = models(catalog)[f"{name}/{options['default_model']}"]
        assert name == "github" or model.get("enabled", "yes") == "yes", name
        assert "chat" in model["good_at"] or name == "codestral", name


@pytest.mark.parametrize("section", SEED)
def test_limits_are_those_of_the_facts(catalog, section):
    amounts = {re.sub(r" (aligned|refill|resets .*)$", "", limit) for limit in limits_of(catalog[section])}
    assert amounts == SEED[section]


def test_windows_move_as_the_facts_say(catalog):
    for name, options in catalog.items():
        provider = name.split(" ", 1)[1].partition("/")[0]
        for limit in limits_of(options):
            if limit.endswith(" concurrent"):
                continue
            _, unit, window = re.fullmatch(r"\d+ (\S+) per (\w+) ?(.*)", limit).groups()
            assert window == WINDOWS.get(provider, {}).get(unit, ""), f"{name}: {limit}"


def test_each_model_of_a_per_model_provider_has_limits(catalog):
    for name, options in models(catalog).items():
        if name.partition("/")[0] in ("groq", "cerebras", "gemini", "mistral"):
            assert limits_of(options), name
        if name.startswith("cloudflare/"):
            assert "weight" in options, name


def test_quirks_are_those_of_the_facts(catalog):
    known = providers(catalog)
    assert known["mistral"]["rename"] == "seed=random_seed"
    assert set(known["groq"]["drop"].split(", ")) == {"logprobs", "top_logprobs", "logit_bias"}
    assert known["nvidia"]["set"] == "parallel_tool_calls=false if tools"
    assert known["cloudflare"]["set"] == "max_tokens=8192 default"
    assert known["github"]["set"] == "max_tokens<=400"
    assert known["fireworks"]["drop"] == "seed"
    for name in ("groq", "cerebras", "mistral", "codestral", "cohere", "fireworks"):
        assert known[name]["stream_usage"] == "no", name
    assert known["cohere"]["counts"] == known["openrouter"]["counts"] == "failed"
    assert known["gemini"]["counts"] == "input"
    assert known["cerebras"]["counts"] == known["groq"]["counts"] == "estimate"
    assert models(catalog)["cloudflare/@cf/openai/gpt-oss-120b"]["weight"] == "neurons=31818/68182"
    assert models(catalog)["cloudflare/@cf/meta/llama-3.2-1b-instruct"]["weight"] == "neurons=2457/18252"
    assert known["gemini"]["trains_on_prompts"] == known["mistral"]["trains_on_prompts"] == "yes"
