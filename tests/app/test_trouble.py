"""The run store goes away under a server in use: everybody is told so, and everything goes on when it is back."""

from __future__ import annotations

import asyncio
import json
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests import loops
from tests.runs.conftest import small
from tests.serving import serve
from tests.visitors import visit

GONE = "cannot be used (the file is gone). It was deleted or moved away: put it back"


async def told(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this kind."""
    async with asyncio.timeout(60):
        while True:
            message = await connection.recv()
            if isinstance(message, str) and json.loads(message)["type"] == kind:
                return dict(json.loads(message))


def move(database: Path, there: Path, here: Path) -> None:
    """A database with the files beside it, which belong to it; the database itself comes last."""
    here.mkdir(exist_ok=True)
    for name in (f"{database.name}-wal", f"{database.name}-shm", database.name):
        if (there / name).exists():
            (there / name).replace(here / name)


def test_a_store_that_goes_away_is_said_everywhere_and_comes_back_by_itself(tmp_path: Path) -> None:
    async def main() -> None:
        with serve(tmp_path, workers=0) as server:
            store = server.store()
            run = store.create(small(), desired="paused")
            async with connect(server.stream) as connection:
                await connection.send(json.dumps({"watch": run}))
                assert (await told(connection, "state"))["status"] == "paused"
                await told(connection, "reset")  # the beginning has been read
                move(server.database, tmp_path, tmp_path / "away")
                assert GONE in (await told(connection, "trouble"))["message"]
                with pytest.raises(urllib.error.HTTPError, match="503"):
                    await asyncio.to_thread(server.health)
                async with visit(server.url, query={"run": run}) as visitor:
                    assert any(GONE.split("(")[0] in text for text in visitor.texts())
                    assert not visitor.exceptions()
                    server.database.write_bytes(b"not a database" * 1000)
                    assert "damaged or is something else" in (await told(connection, "trouble"))["message"]
                    move(server.database, tmp_path / "away", tmp_path)
                    assert (await told(connection, "trouble"))["message"] is None
                    await asyncio.to_thread(store.rename, run, "Back again")
                    assert (await told(connection, "state"))["name"] == "Back again"
            assert (await asyncio.to_thread(server.health))["status"] == "ok"
            assert "Traceback" not in server.printed()

    loops.run(main())
