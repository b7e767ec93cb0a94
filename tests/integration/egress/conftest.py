from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.egress.certificates import Authority
from tests.integration.egress.proxy import Proxy


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One for all tests; each takes its own sandboxes of it."""
    directory: Path = tmp_path_factory.mktemp("egress")
    made = Proxy(directory, Authority(directory))
    made.start()
    yield made
    made.close()
