"""Many requests of every fate: memory and descriptors stay where they were. FREELLM_LONG=1 does ten times as many."""
import os

MB = 1024 * 1024
ROUNDS = 50 if os.environ.get("FREELLM_LONG") else 5


def ask(client, numbers):
    """A round of 400: streams and whole answers, some refused, some broken off, some of any length."""
    fates = {7: {"fault": "reset_mid_stream", "chunks": 4, "after": 2}, 8: {"status": 500, "body": "{}"},
             9: {"gzip": True}, 10: {"reasoning": "well, " * 20}}
    for start in range(0, 400, 100):
        asked = []
        for i in range(start, start + 100):
            number = next(numbers)
            params = {"prompt": f"q{number} " + "w " * (number % 300), "model": "mock/mock", "stream": i % 2 == 0}
            if i % 50 in fates:
                params["mock"] = fates[i % 50]
            asked.append(client.request("submit", params))
        for msgid in asked:
            client.wait(msgid)
        client.responses.clear()
        client.events.clear()


def test_memory_is_flat(start_mock, start_daemon):
    mock = start_mock("--no-log")
    # The cache's file is mapped, so that its pages count as resident: a small one fills early.
    daemon = start_daemon(mock, options={"cache": {"max_size": "2 MiB"},
                                         "retry": {"backoff_base": "1 ms", "backoff_max": "2 ms"}})
    numbers = iter(range(10**9))
    with daemon.client() as client:
        for _ in range(3):
            ask(client, numbers)
        before, descriptors = daemon.rss, daemon.descriptors
        for _ in range(ROUNDS):
            ask(client, numbers)
        jobs = client.call("status")["jobs"]
        assert jobs["queued"] == jobs["running"] == 0
        assert jobs["accepted"] == jobs["done"] + jobs["failed"] == 400 * (3 + ROUNDS)
        assert daemon.descriptors <= descriptors + 4
        assert daemon.memory_is_below(before + 6 * MB)
