"""Fixtures that every end-to-end test can use."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support import BUILD, FIXTURES  # noqa: E402
from support.daemon import Daemon  # noqa: E402
from support.mock import Mock  # noqa: E402


@pytest.fixture(scope="session")
def fixtures():
    """The folder of recorded exchanges."""
    if not FIXTURES.is_dir():
        pytest.skip(f"no recordings in {FIXTURES} (FREELLM_FIXTURES says where they are)")
    return FIXTURES


@pytest.fixture
def start_mock():
    """Starts mock providers with the arguments that it is called with; all are stopped and checked at the end."""
    started = []

    def start(*arguments, **options):
        mock = Mock(*arguments, **options)
        started.append(mock)
        return mock

    yield start
    for mock in started:
        mock.stop()


@pytest.fixture
def mock(start_mock):
    """A mock provider with its defaults."""
    return start_mock()


@pytest.fixture
def start_daemon():
    """Starts daemons with the arguments of support.daemon.Daemon; all are stopped and checked at the end."""
    if not (BUILD / "daemon" / "freellmd").exists():
        pytest.skip(f"no daemon in {BUILD}")
    started = []

    def start(*arguments, **options):
        daemon = Daemon(*arguments, **options)
        started.append(daemon)
        return daemon

    yield start
    try:
        for daemon in started:
            daemon.stop()
    finally:
        for daemon in started:
            daemon.remove()


@pytest.fixture
def daemon(mock, start_daemon):
    """A daemon with one provider, the mock."""
    return start_daemon(mock)


@pytest.fixture
def client(daemon):
    """A connection to the daemon."""
    with daemon.client() as client:
        yield client
