"""The main job under valgrind: no error, no leak, and no descriptor left open at the end."""
import shutil

import pytest
from support.daemon import SANITIZED
from support.mock import expected_echo
from support.rpc import RpcError


@pytest.mark.skipif(SANITIZED, reason="valgrind and the sanitizers exclude each other")
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind")
def test_main_job(mock, start_daemon, tmp_path):
    report = tmp_path / "valgrind"
    daemon = start_daemon(
        mock, options={"provider mock": {"key": "env:LAB_KEY"}, "retry": {"backoff_base": "1 ms", "backoff_max": "2 ms"}},
        env={"LAB_KEY": "key-0123456789abcdef"},
        wrap=["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=definite,indirect,possible",
              "--track-fds=yes", "--error-exitcode=99", f"--log-file={report}.%p"])
    with daemon.client() as client:
        for i, params in enumerate(({"stream": True}, {"stream": False}, {"stream": True, "mock": {"gzip": True}})):
            for _ in range(2):  # asked, and from the cache
                _, result = client.wait(client.request("submit", {"prompt": f"p{i}", "model": "mock/mock", **params}))
                assert result["text"] == expected_echo("mock", f"p{i}")
        mock.script({"status": 500, "body": "{}"}, {"status": 429, "retry_after": "0", "body": "{}"})
        assert len(client.submit("twice refused")["attempts"]) == 3
        with pytest.raises(RpcError):
            client.submit("broken", mock={"status": 400, "body": "{}"})
        with pytest.raises(RpcError):
            client.submit("", model="mock/mock")
        cancelled = client.request("submit", {"prompt": "c", "model": "mock/mock", "stream": True,
                                              "mock": {"fault": "endless_stream", "pace_ms": 10}})
        client.wait_event(cancelled, "chunk")
        client.call("cancel", {"msgid": cancelled})
        client.call("status")
        client.call("models")
        left = client.request("submit", {"prompt": "left", "model": "mock/mock", "stream": True, "cache": "off",
                                         "mock": {"fault": "endless_stream", "pace_ms": 10}})
        client.wait_event(left, "chunk")
    with daemon.client() as client:
        client.send_raw(b"\xc1")
        client.step()
    pid = daemon.pid
    daemon.stop()
    text = (tmp_path / f"valgrind.{pid}").read_text()
    assert "Invalid" not in text and "uninitialised" not in text and "definitely lost" not in text, text
    # All that is open at the end came from who started it, or is this report: nothing was opened and not closed.
    assert "FILE DESCRIPTORS" in text
    assert text.count("Open ") == text.count("<inherited from parent>"), text
