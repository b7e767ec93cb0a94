"""Images for the driver's tests."""

from __future__ import annotations

import pytest

from oc.worker.images import Images
from tests.system.base import shared_images


@pytest.fixture(scope="session")
def images() -> Images:
    return shared_images()
