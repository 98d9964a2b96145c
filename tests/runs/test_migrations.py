"""Stores of earlier formats: brought up to date by whoever opens them, with nothing lost."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from safetensors.torch import save

from app.figures import specs
from lstm_core.config import RunConfig
from lstm_core.runs import migrations, schema
from lstm_core.runs.records import StoreError
from lstm_core.runs.store import RunStore
from lstm_core.settings import Impossible
from lstm_core.training import TrainState
from tests.runs.conftest import small

BEFORE = "DROP TABLE alembic_version; UPDATE about_database SET schema_version = 99"
OLD = Path(__file__).with_name("format_1.sql")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as the first format of the program wrote it: one paused run with its telemetry."""
    path = tmp_path / "old.sqlite3"
    with sqlite3.connect(path) as raw:
        raw.executescript(OLD.read_text())
    raw.close()
    return path


def test_an_old_store_is_brought_up_to_date_without_loss(old: Path) -> None:
    with sqlite3.connect(old) as raw:
        tables = ("runs", "frames", "checkpoints", "overrides")
        before = {table: raw.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        assert all(before.values())
    store = RunStore(str(old))
    (run,) = store.list()
    assert (run.name, run.parent, run.fork_step, run.step, run.status) == ("The cliff", "another", None, 4, "paused")
    assert store.scalars(run.id)["loss/train"].tolist() == [0, 1, 2, 3, 4]
    assert store.load_checkpoint(run.id) == (5, b"state")
    assert [(change.step, change.field, change.value) for change in store.overrides(run.id)] == [(3, "clip", "norm")]
    assert store.file(store.keep_file("new.csv", b"new", "csv")) == b"new"
    fork = store.create(small(), parent=run.id, fork_step=3)
    assert (store.get(fork).parent, store.get(fork).fork_step) == (run.id, 3)
    store.delete(fork)
    store.remove(fork)
    with sqlite3.connect(old) as raw:
        assert raw.execute("SELECT schema_version FROM about_database").fetchall() == [(int(migrations.HEAD),)]
        for table, rows in before.items():
            assert [row[: len(rows[0])] for row in raw.execute(f"SELECT * FROM {table}")] == rows


def differences(url: str) -> list[object]:
    """What a store's tables have otherwise than `schema.py`."""
    with sa.create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, schema.metadata))


def test_an_old_store_and_a_new_one_have_the_tables_that_the_program_knows(old: Path, store: RunStore) -> None:
    assert differences(f"sqlite:///{old}") != []
    RunStore(str(old)).close()
    assert differences(f"sqlite:///{old}") == differences(store.url) == []


def test_the_same_holds_on_postgresql(database: str) -> None:
    RunStore(database).close()
    assert differences(database) == []
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        schema.metadata.drop_all(connection)
        migrations.version.drop(connection)
    assert differences(database) != []
    with engine.begin() as connection:
        migrations.bring_up(connection, "1")
        assert migrations.found(connection) == "1"
    RunStore(database).close()
    assert differences(database) == []
    engine.dispose()


def test_several_programs_may_make_a_store_at_once(database: str) -> None:
    assert at_once(database, 3) == ["0\n"] * 3


def test_the_newest_revision_is_the_format_that_the_program_writes() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_current_head() == migrations.HEAD
    assert [found.revision for found in scripts.walk_revisions()] == ["5", "4", "3", "2", "1"]


def test_an_upgrade_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(old) as raw:
        before = list(raw.iterdump())
    with monkeypatch.context() as patch:
        # Alembic loads its revisions anew: what they call is made to fail, in the midst of the third.
        patch.setattr("alembic.op.create_index", broken)
        with pytest.raises(StoreError, match="full"):
            RunStore(str(old))
    with sqlite3.connect(old) as raw:
        assert list(raw.iterdump()) == before
    assert len(RunStore(str(old)).list()) == 1


def broken(name: str, *_: object) -> None:
    assert name == "races_of_run"
    raise OSError("disk is full")


OPENS = """
import sys
from lstm_core.runs.store import RunStore
sys.stdin.readline()
print(len(RunStore(sys.argv[1]).list()))
"""


def at_once(url: str, count: int) -> list[str]:
    """What several processes print that open a store in the same moment."""
    command = [sys.executable, "-c", OPENS, url]
    pipe = subprocess.PIPE
    programs = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(count)]
    return ["".join(program.communicate("go\n")) for program in programs]


def test_several_programs_may_bring_an_old_store_up_to_date_at_once(old: Path) -> None:
    assert at_once(str(old), 3) == ["1\n"] * 3
    with sqlite3.connect(old) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(migrations.HEAD,)]


def test_a_store_of_the_present_format_is_opened_without_alembic(store: RunStore) -> None:
    code = "import sys; from lstm_core import RunStore; RunStore(sys.argv[1]).list(); print('alembic' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code, store.url], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


@pytest.mark.parametrize("statement", ["UPDATE alembic_version SET version_num = '99'", BEFORE])
def test_a_store_of_a_later_format_is_left_alone(store: RunStore, statement: str) -> None:
    path = store.url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as raw:
        raw.executescript(statement)
        before = list(raw.iterdump())
    with pytest.raises(StoreError, match=f"has format 99, this program writes format {migrations.HEAD}"):
        RunStore(path)
    with sqlite3.connect(path) as raw:
        assert list(raw.iterdump()) == before


def test_a_run_of_an_old_store_can_still_be_looked_at_and_says_why_it_cannot_go_on(old: Path) -> None:
    about = OLD.with_name("about_1.json").read_text()
    with sqlite3.connect(old) as raw:
        raw.execute("UPDATE runs SET about = ?", [about])
        (data,) = raw.execute("SELECT config FROM runs").fetchone()
    raw.close()
    store = RunStore(str(old))
    (run,) = store.list()
    assert run.about is not None
    assert run.config == json.loads(data)
    assert {name: run.about[name] for name in json.loads(about) if name != "samples"} == {
        name: value for name, value in json.loads(about).items() if name != "samples"
    }
    fresh = TrainState(RunConfig.model_validate(run.config)).about
    assert set(fresh) - set(run.about) == {"measures", "gallery"}  # panels ask for them with a default
    assert set(run.about) <= set(fresh)
    assert [set(sample) for sample in run.about["samples"]] == [set(sample) for sample in fresh["samples"]]
    drawn = {panel["id"] for panel in json.loads(specs(run.about))["panels"]}
    assert {"loss", "gates", "attention", "answers", "attention_past", "gradient_past"} <= drawn
    with pytest.raises(Impossible, match="earlier version"):
        TrainState.load(RunConfig.model_validate(run.config), save({}, {"step": "5", "config": "{}"}))
    store.close()
