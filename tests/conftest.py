"""What several test folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving import Server, serve


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The whole application as a user starts it, with one training process; shared by all tests that ask for it."""
    with serve(tmp_path_factory.mktemp("server"), workers=1) as running:
        yield running
