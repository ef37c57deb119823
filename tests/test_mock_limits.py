"""The mock's limits against a naive model that knows every charge, and its refusals against recorded shapes."""
import datetime
import json
import queue
import random
import re
import threading
import zoneinfo

import pytest

from support.wire import Reader, chat, chat_body, connect, exchange, request_bytes

SECOND, MINUTE, DAY = 10**6, 60 * 10**6, 86400 * 10**6
NOON_MS = int(datetime.datetime(2026, 3, 5, 12, 0, 0, tzinfo=datetime.timezone.utc).timestamp() * 1000)


class Model:
    """One limit, told by its definition: it remembers every charge and looks through all of them."""

    def __init__(self, amount, metric, span_us, kind="sliding", model=None):
        self.amount, self.metric, self.span_us, self.kind, self.model = amount, metric, span_us, kind, model
        self.charges = []  # (time, amount)

    def cost(self, record):
        return 1 if self.metric == "requests" else record[self.metric]

    def used(self, now):
        if self.kind == "sliding":
            return sum(amount for at, amount in self.charges if at > now - self.span_us)
        if self.kind == "aligned":
            return sum(amount for at, amount in self.charges if at // self.span_us == now // self.span_us)
        # A bucket that refills: its level times the span, so that everything stays a whole number.
        level, last = self.amount * self.span_us, 0
        for at, amount in self.charges + [(now, 0)]:
            level = min(self.amount * self.span_us, level + (at - last) * self.amount) - amount * self.span_us
            last = at
        return -(-(self.amount * self.span_us - level) // self.span_us)

    def fits(self, record, now):
        return self.used(now) + self.cost(record) <= self.amount


def secret_of(record):
    return dict(record["headers"]).get("Authorization", "").removeprefix("Bearer ")


def check_log(log, make_models, by_key):
    """Judges every record again, in the order in which the mock judged."""
    models = {}
    refused = 0
    for record in sorted(log, key=lambda record: record["order"]):
        rules = models.setdefault(secret_of(record) if by_key else "", make_models())
        body = json.loads(record["body"])
        mine = [rule for rule in rules if rule.model in (None, body["model"])]
        now = record["virtual_us"]
        fits = all(rule.fits(record, now) for rule in mine)
        assert record["limited"] == (not fits), (record, [(rule.used(now), rule.amount) for rule in mine])
        assert (record["status"] == 429) == (not fits)
        assert record["charged"] == fits
        if fits:
            for rule in mine:
                rule.charges.append((now, rule.cost(record)))
        refused += not fits
    return refused


CASES = {
    "sliding": (["20 requests per minute", "400 tokens per minute", "150 input_tokens per 30s"], lambda: [
        Model(20, "requests", MINUTE), Model(400, "tokens", MINUTE), Model(150, "input_tokens", 30 * SECOND)]),
    "aligned": (["10 requests per minute aligned", "900 tokens per hour aligned"], lambda: [
        Model(10, "requests", MINUTE, "aligned"), Model(900, "tokens", 60 * MINUTE, "aligned")]),
    "refill": (["7 requests per 60 s refill", "333 tokens per minute refill"], lambda: [
        Model(7, "requests", MINUTE, "refill"), Model(333, "tokens", MINUTE, "refill")]),
    "models": (["a: 5 requests per minute", "b: 9 requests per minute refill", "30 requests per 2 minutes"], lambda: [
        Model(5, "requests", MINUTE, model="a"), Model(9, "requests", MINUTE, "refill", model="b"),
        Model(30, "requests", 2 * MINUTE)]),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("account", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_limits_follow_the_model_under_concurrency(start_mock, case, account, threads):
    limits, make_models = CASES[case]
    mock = start_mock("--threads", str(threads), *(["--account"] if account else []),
                      *(part for limit in limits for part in ("--limit", limit)))
    # A frozen clock that this test moves: what is judged does not depend on how fast the machine is.
    mock.clock(freeze=True, set_ms=NOON_MS)
    choose = random.Random(f"{case} {account}")
    rounds, clients = 60, 6
    work, failures = queue.Queue(), []

    def client():
        with connect(mock) as connection:
            reader = Reader(connection)
            while (request := work.get()) is not None:
                try:
                    if not failures:
                        connection.sendall(request)
                        reader.answer()
                except (OSError, EOFError) as error:
                    failures.append(error)
                finally:
                    work.task_done()

    workers = [threading.Thread(target=client) for _ in range(clients)]
    for worker in workers:
        worker.start()
    for _ in range(rounds):
        for _ in range(choose.randrange(12)):
            work.put(request_bytes(
                headers={"Authorization": "Bearer " + choose.choice(["k1", "k2"])},
                body=chat_body("word " * choose.randrange(1, 20), choose.choice(["a", "b", "c"]),
                               {"chunks": choose.randrange(30)}, stream=choose.random() < 0.5)))
        if choose.random() < 0.7:
            work.join()
        mock.clock(advance_us=choose.choice([0, 1, 999_999, SECOND, 7 * SECOND, 29_999_999, 30 * SECOND, MINUTE]))
    for _ in workers:
        work.put(None)
    for worker in workers:
        worker.join()
    assert not failures
    mock.wait_idle()
    log = mock.log()
    assert len(log) > 200
    refused = check_log(log, make_models, by_key=not account)
    assert 10 < refused < len(log) - 10
    stats = mock.stats()
    assert stats["limited"] == refused
    assert all(meter["overrun"] == 0 and meter["peak"] <= int(re.search(r"\d+", meter["limit"]).group())
               for meter in stats["limits"])


def statuses(mock, count, **members):
    return [chat(mock, **members).status for _ in range(count)]


def test_the_edge_of_a_sliding_window(start_mock):
    mock = start_mock("--limit", "2 requests per 10 seconds")
    mock.clock(freeze=True, set_ms=NOON_MS)
    assert statuses(mock, 3) == [200, 200, 429]
    mock.clock(advance_us=10 * SECOND - 1)
    assert statuses(mock, 1) == [429]
    mock.clock(advance_us=1)
    assert statuses(mock, 3) == [200, 200, 429]


def test_the_edge_of_an_aligned_window(start_mock):
    mock = start_mock("--limit", "1 requests per minute aligned")
    mock.clock(freeze=True, set_ms=NOON_MS + 59_999)
    assert statuses(mock, 2) == [200, 429]
    mock.clock(advance_ms=1)
    assert statuses(mock, 2) == [200, 429]
    mock.clock(advance_ms=59_999)
    assert statuses(mock, 1) == [429]


def test_a_bucket_refills_continuously(start_mock):
    mock = start_mock("--limit", "6 requests per minute refill")
    mock.clock(freeze=True, set_ms=NOON_MS)
    assert statuses(mock, 7) == [200] * 6 + [429]
    mock.clock(advance_us=10 * SECOND - 1)
    assert statuses(mock, 1) == [429]
    mock.clock(advance_us=1)
    assert statuses(mock, 2) == [200, 429]
    mock.clock(advance_ms=3_600_000)
    assert statuses(mock, 7) == [200] * 6 + [429]


@pytest.mark.parametrize("unit, zone, start, ends", [
    # A day that has 23 hours, one that has 25, and an ordinary one that begins at 7.
    ("day", "America/Los_Angeles", "2026-03-08 00:00", "2026-03-09 00:00"),
    ("day", "America/Los_Angeles", "2026-11-01 00:00", "2026-11-02 00:00"),
    ("day", "Asia/Tokyo", "2026-05-05 07:00", "2026-05-06 07:00"),
    ("month", "UTC", "2026-02-01 00:00", "2026-03-01 00:00"),
    ("month", "UTC", "2026-12-01 00:00", "2027-01-01 00:00"),
    ("week", "UTC", "2026-03-02 00:00", "2026-03-09 00:00"),
])
def test_calendar_periods(start_mock, unit, zone, start, ends):
    def microseconds(text):
        moment = datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))
        return int(moment.timestamp()) * SECOND

    mock = start_mock("--limit", f"1 requests per {unit} resets {start[-5:]} {zone}")
    mock.clock(freeze=True, set_ms=microseconds(start) // 1000 - 1)
    assert statuses(mock, 2) == [200, 429]
    mock.clock(advance_ms=1)
    assert statuses(mock, 2) == [200, 429]
    mock.clock(advance_us=microseconds(ends) - microseconds(start) - 1)
    assert statuses(mock, 1) == [429]
    mock.clock(advance_us=1)
    assert statuses(mock, 2) == [200, 429]


def test_concurrent(start_mock):
    mock = start_mock("--limit", "2 concurrent")
    hanging = [connect(mock) for _ in range(2)]
    for i, connection in enumerate(hanging):
        connection.sendall(request_bytes(body=chat_body(stream=True, behaviour={"fault": "hang_after_headers"})))
        mock.wait_for(lambda stats, i=i: stats["in_flight"] == i + 1)
        Reader(connection).until(b"\r\n\r\n")
    assert statuses(mock, 2) == [429, 429]
    hanging[0].close()
    mock.wait_for(lambda stats: stats["in_flight"] == 1)
    assert statuses(mock, 2) == [200, 200]
    mock.release()
    mock.wait_idle()
    hanging[1].close()


def test_failed_requests_count_where_the_provider_counts_them(start_mock):
    for profile, counts in {"openrouter": True, "cohere": True, "plain": False, "groq": False}.items():
        mock = start_mock("--profile", profile, "--limit", "2 requests per minute")
        mock.clock(freeze=True)
        assert [chat(mock, behaviour={"status": 500}).status for _ in range(2)] == [500, 500]
        assert exchange(mock, b"{").status == 400
        assert chat(mock).status == (429 if counts else 200)
        mock.config(count_failed=not counts)
        mock.reset()
        mock.clock(freeze=True)
        assert [chat(mock, behaviour={"status": 500}).status for _ in range(2)] == [500, 500]
        assert chat(mock).status == (200 if counts else 429)


def test_refused_requests_count_when_told_to(start_mock):
    mock = start_mock("--limit", "2 requests per minute")
    mock.clock(freeze=True, set_ms=NOON_MS)
    mock.config(count_rejected=True)
    assert statuses(mock, 3) == [200, 200, 429]
    mock.clock(advance_ms=30_000)
    assert statuses(mock, 1) == [429]
    mock.clock(advance_ms=30_000)
    # Both refusals are still in the window at the first instant when the admitted ones are not.
    assert statuses(mock, 1) == [200]
    assert statuses(mock, 1) == [429]


def test_a_request_that_never_fits(start_mock):
    for profile, status in {"groq": 413, "plain": 429}.items():
        mock = start_mock("--profile", profile, "--limit", "50 tokens per minute")
        answer = chat(mock, "word " * 60)
        assert answer.status == status
        assert chat(mock).status == 200
    # Cerebras judges by what is asked for.
    mock = start_mock("--config", '{"gate_asked": true}', "--limit", "50 tokens per minute")
    assert chat(mock, max_tokens=41).status == 200
    mock.reset()
    assert chat(mock, max_tokens=42).status == 429


def test_tokens_that_are_counted_at_the_end_can_overrun(start_mock):
    mock = start_mock("--limit", "20 tokens per minute", "--config", '{"charge_end": true}')
    mock.clock(freeze=True)
    with connect(mock) as one, connect(mock) as two:
        for connection in (one, two):
            connection.sendall(request_bytes(body=chat_body(behaviour={"chunks": 8, "fault": "hang_before_headers"})))
        mock.wait_for(lambda stats: stats["in_flight"] == 2)
        assert mock.stats()["limits"][0]["used"] == 0
        mock.release()
        mock.wait_idle()
    meter = mock.stats()["limits"][0]
    assert meter["used"] == 2 * (9 + 8) and meter["overrun"] == 14
    assert chat(mock).status == 429


def test_a_given_usage_is_what_is_charged(start_mock):
    mock = start_mock("--limit", "1000 tokens per minute")
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 700}
    assert [chat(mock, behaviour={"usage": usage}).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("limit", [
    "", "x", "5", "-1 requests per minute", "5 apples per minute", "5 requests minute", "5 requests per", "5 requests per fortnight",
    "5 requests per 0 minutes", "5 requests per minute sometimes", "5 requests per minute resets 00:00 UTC",
    "5 requests per day resets 24:00 UTC", "5 requests per day resets 1:00 UTC", "5 requests per day resets 00:00",
    "99999999999999999999 requests per day"])
def test_limits_that_are_no_limits(mock, limit):
    answer = exchange(mock, json.dumps({"limits": [limit]}).encode(), path="/_mock/config")
    assert answer.status == 400 and answer.json["error"]


# Whose refusal it is


def shape(value):
    """The structure of a JSON value without what differs from case to case."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


REFUSALS = {
    "groq-429-rpm": ("groq", ["30 requests per minute", "14400 requests per day", "6000 tokens per minute"]),
    "openrouter-429-free-models-per-min": ("openrouter", ["20 requests per minute"]),
    "openrouter-429-free-models-per-day": ("openrouter", ["20 requests per day"]),
    "cerebras-429-request-quota": ("cerebras", ["5 requests per minute"]),
    "cerebras-429-token-quota": ("cerebras", ["200 tokens per minute"]),
    "mistral-429-1300": ("mistral", ["23 requests per minute aligned"]),
    "cohere-429-trial-minute": ("cohere", ["20 requests per minute"]),
    "cohere-429-trial-month": ("cohere", ["20 requests per month resets 00:00 UTC"]),
    "nvidia-429": ("nvidia", ["20 requests per minute"]),
    "cloudflare-429-3040": ("cloudflare", ["20 requests per minute"]),
    "cloudflare-429-4006": ("cloudflare", ["20 requests per day resets 00:00 UTC"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_have_the_shape_of_the_provider(start_mock, fixtures, name):
    profile, limits = REFUSALS[name]
    mock = start_mock("--profile", profile, *(part for limit in limits for part in ("--limit", limit)))
    mock.clock(freeze=True, set_ms=NOON_MS)
    while (answer := chat(mock, model='na"me')).status == 200:
        pass
    head, body = (fixtures / "captured-errors" / f"{name}.http").read_bytes().split(b"\r\n\r\n", 1)
    expected = {line.split(":")[0].lower() for line in head.decode().split("\r\n")[1:]}
    got = {name for name in answer.headers if name.startswith(("x-", "retry"))} | {"content-type"}
    if profile == "groq":
        # The recording lacks what a 200 of the same provider shows.
        got -= {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"}
    assert got == expected
    assert shape(answer.json) == shape(json.loads(body))


def test_gemini_refuses_with_an_array_that_names_the_quota(start_mock, fixtures):
    recorded = (fixtures / "captured-errors" / "gemini-openai-429-array-perday.http").read_bytes()
    mock = start_mock("--profile", "gemini", "--limit", "1 requests per day resets 00:00 America/Los_Angeles")
    mock.clock(freeze=True, set_ms=NOON_MS)
    chat(mock)
    answer = chat(mock)
    assert not any(name.startswith(("x-", "retry")) for name in answer.headers)
    ours, theirs = answer.json[0]["error"], json.loads(recorded.split(b"\r\n\r\n", 1)[1])[0]["error"]
    assert ours.keys() == theirs.keys() and ours["status"] == theirs["status"]
    assert ours["details"][1]["violations"][0]["quotaId"] == theirs["details"][1]["violations"][0]["quotaId"]
    # Noon UTC is 4 at night in Los Angeles: 20 hours to midnight.
    assert ours["details"][2]["retryDelay"] == "72000s"
    assert "Please retry in 72000.000000000s." in ours["message"]


def test_the_times_that_refusals_tell(start_mock):
    limit = ["--limit", "1 requests per minute"]
    groq, openrouter, cerebras, plain = (
        start_mock("--profile", profile, *limit) for profile in ("groq", "openrouter", "cerebras", "plain"))
    for mock in (groq, openrouter, cerebras, plain):
        mock.clock(freeze=True, set_ms=NOON_MS)
        chat(mock)
        mock.clock(advance_ms=7_660)
    answer = chat(groq)
    assert answer.headers["retry-after"] == "53"
    assert "on requests per minute (RPM): Limit 1, Used 1, Requested 1. Please try again in 52.34s." in answer.json["error"]["message"]
    assert chat(openrouter).headers["x-ratelimit-reset"] == str(NOON_MS + 60_000)
    assert chat(cerebras).headers["retry-after"] == chat(plain).headers["retry-after"] == "53"


def test_headers_of_a_success(start_mock):
    groq = start_mock("--profile", "groq", "--limit", "14400 requests per day refill", "--limit",
                      "6000 tokens per minute refill", "--limit", "30 requests per minute")
    groq.clock(freeze=True, set_ms=NOON_MS)
    for stream in (False, True):
        answer = chat(groq, stream=stream)
    headers = {name: value for name, value in answer.headers.items() if name.startswith("x-")}
    assert headers == {
        "x-ratelimit-limit-requests": "14400", "x-ratelimit-remaining-requests": "14398",
        "x-ratelimit-reset-requests": "12s", "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "5976", "x-ratelimit-reset-tokens": "240ms"}
    cerebras = start_mock("--profile", "cerebras", "--limit", "5 requests per minute refill",
                          "--limit", "1000000 tokens per day refill")
    cerebras.clock(freeze=True, set_ms=NOON_MS)
    headers = chat(cerebras).headers
    assert headers["x-ratelimit-remaining-requests-minute"] == "4"
    assert headers["x-ratelimit-reset-requests-minute"] == "12.000000"
    assert headers["x-ratelimit-reset-tokens-day"] == "1.036800"
    mistral = start_mock("--profile", "mistral", "--limit", "50 requests per minute aligned",
                         "--limit", "50000 tokens per minute aligned")
    headers = chat(mistral).headers
    assert headers["x-ratelimit-limit-req-minute"] == "50" and headers["x-ratelimit-remaining-req-minute"] == "49"
    assert headers["x-ratelimit-tokens-query-cost"] == "12"
    assert not any(name.startswith("x-") for name in chat(mistral, stream=True).headers)
    cohere = start_mock("--profile", "cohere", "--limit", "20 requests per minute",
                        "--limit", "1000 requests per month resets 00:00 UTC")
    headers = chat(cohere).headers
    assert headers["x-trial-endpoint-call-remaining"] == "19"
    assert headers["x-endpoint-monthly-call-limit"] == "1000"
    for profile in ("openrouter", "gemini", "nvidia", "cloudflare", "plain"):
        silent = start_mock("--profile", profile, "--limit", "20 requests per minute")
        assert not any(name.startswith(("x-", "retry")) for name in chat(silent).headers)


KEYS = {
    "plain": 401, "groq": 401, "openrouter": 401, "cerebras": 401, "gemini": 400, "mistral": 401, "cohere": 401,
    "nvidia": 401, "cloudflare": 401}


@pytest.mark.parametrize("profile", KEYS)
def test_wrong_keys_and_errors_in_the_shape_of_the_provider(start_mock, profile):
    mock = start_mock("--profile", profile, "--key", "good")
    for headers in ({}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic good"}):
        answer = chat(mock, headers=headers)
        assert answer.status == KEYS[profile] and answer.json
    for status in (400, 404, 500, 503):
        answer = chat(mock, headers={"Authorization": "Bearer good"}, behaviour={"status": status})
        assert answer.status == status and answer.json


def usages(answer):
    return [json.loads(event).get("usage") for event in answer.events if event != "[DONE]"]


def test_where_providers_put_usage(start_mock):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    expected = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    for profile in ("groq", "cerebras", "mistral"):
        answer = chat(start_mock("--profile", profile), stream=True)
        assert usages(answer)[-1] == expected and usages(answer)[:-1] == [None] * 4
        assert ('"x_groq"' in answer.body.decode()) == (profile == "groq")
    answer = chat(start_mock("--profile", "openrouter"), **options)
    last = json.loads(answer.events[-2])
    assert last["usage"] == expected and last["choices"][0]["finish_reason"] == "stop"
    answer = chat(start_mock("--profile", "gemini"), stream=True)
    assert [usage["completion_tokens"] for usage in usages(answer)] == [0, 0, 1, 2, 3]


def test_errors_in_a_stream_by_provider(start_mock):
    behaviour = {"error_in_stream": 'it "broke"', "after": 1}
    answer = chat(start_mock("--profile", "groq"), stream=True, behaviour=behaviour)
    assert b"\n\nevent: error\ndata: " in answer.body
    assert json.loads(answer.events[-1])["error"]["code"] == "tool_use_failed"
    answer = chat(start_mock("--profile", "openrouter"), stream=True, behaviour={**behaviour, "error_done": True})
    error = json.loads(answer.events[-2])
    assert error["error"]["message"] == 'it "broke"' and error["choices"][0]["finish_reason"] == "error"
