"""One flag accepts what changed: ``pytest tests/golden --accept-golden``, then read the diff."""

import pytest


@pytest.fixture
def accept(request):
    return request.config.getoption("--accept-golden")
