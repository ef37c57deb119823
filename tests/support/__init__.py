"""What the end-to-end tests share: the mock provider, the daemon, a MessagePack-RPC client, and where things are.

Nothing here waits for a fixed time: every wait is for an event, and PATIENCE bounds it so that a test fails rather
than hangs. It is generous because the machine may be slow and the binaries may carry sanitizers.
"""
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FREELLM_BUILD", ROOT / "build")).resolve()
FIXTURES = pathlib.Path(os.environ.get("FREELLM_FIXTURES", ROOT / ".." / "shared" / "fixtures")).resolve()
PATIENCE = float(os.environ.get("FREELLM_PATIENCE", "120"))


def wait_until(condition, what, seconds=PATIENCE, step=0.005):
    """Polls until condition() is true, and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(step)


def stop_process(process, signal_number, what):
    """Sends a signal, waits for the end, and returns the exit status; kills what does not end."""
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{what} did not stop within {PATIENCE} s") from None
