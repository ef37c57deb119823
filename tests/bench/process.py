"""What the kernel knows about a process: its memory, and how often it woke up."""
import pathlib
import shutil
import subprocess
import tempfile
import time


def memory_of(pid):
    """(resident, private) in KB. Private is what was written to: an untouched page of a library counts as private in the
    kernel's eyes too as long as nobody else happens to map that library."""
    resident = private = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Rss":
            resident = int(value.split()[0])
        elif name == "Private_Dirty":
            private = int(value.split()[0])
    return resident, private


def switches_of(pid):
    """How often its threads have been put on a CPU or taken from it: a thread that sleeps on adds nothing."""
    total = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def wakeups_of(pid, seconds):
    """(context switches of all threads, system calls seen by strace or None) within so many seconds."""
    strace = log = None
    if shutil.which("strace"):
        log = tempfile.NamedTemporaryFile("r", prefix="freellm-strace-")
        strace = subprocess.Popen(["strace", "-f", "-q", "-o", log.name, "-p", str(pid)], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        time.sleep(1)  # attaching interrupts the threads once
    before, lines_before = switches_of(pid), len(log.readlines()) if log else 0
    time.sleep(seconds)
    switches = switches_of(pid) - before
    if strace is None or strace.poll() is not None:
        return switches, None
    calls = len(log.readlines())
    strace.terminate()
    strace.wait()
    return switches, calls if lines_before else None
