"""Files that somebody brings: tables, texts and weights, real ones damaged and made-up ones that are meant to harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from app.setting import preview
from lstm_core import files, tables, texts, weights
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.settings import Impossible
from lstm_core.tasks.own_csv import OwnCsv
from tests.fuzz import inputs
from tests.fuzz.harness import Entry, sentence

MARKER = Path(tempfile.gettempdir()) / f"lstm-lab-was-here-{os.getpid()}"

TABLES = (
    "date,open,close\n" + "".join(f"2020-01-{k % 28 + 1:02},{k * 1.5},{100 - k}\n" for k in range(60)),
    "a;b\r\n" + "".join(f"{k},5;{k * 2},25\r\n" for k in range(40)),
    "t\tv\n" + "".join(f"{k}\t{k * k % 17}\n" for k in range(50)),
    "\n".join(f"{k * 0.1:.3f}" for k in range(80)),
    '"name, with comma","=1+1"\n' + "".join(f'"{k}","=SUM(A{k})"\n' for k in range(20)),
    "x\n" + "1e308\n-1e308\n" * 20,
    "x\n" + "NaN\ninf\n1\n2\n" * 10,
    "<img src=x onerror=window.__hit=1>,b\n" + "1,2\n3,5\n" * 20,
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "shift_jis", "utf-16-le")


def table(rng: Random) -> bytes:
    kind = rng.randrange(10)
    if kind < 5:
        return inputs.damaged(rng, rng.choice(TABLES).encode(rng.choice(ENCODINGS), "replace"))
    if kind == 5:
        rows = [
            [inputs.clean(inputs.text(rng))[:300] for _ in range(rng.choice((1, 2, 7)))]
            for _ in range(rng.choice((1, 3, 30)))
        ]
        return rng.choice((",", ";", "\t", "|")).join("\n".join(row) for row in rows).encode()
    if kind == 6:
        columns = rng.choice((20, 60, 201, 5000)) if rng.random() < 0.9 else 200
        return (",".join(f"c{k}" for k in range(columns)) + "\n" + ",".join("1" * columns) + "\n2\n").encode()
    if kind == 7:
        sign = rng.choice(('"', "1", "1,", "'", "(", " ", "\t", "=", "-", "\n", "1.1.1.", "1e", "0-0-0 "))
        return (sign * rng.choice((10, 1000, 20_000)) + "\n" + "1\n2\n3\n").encode()
    if kind == 8:
        cell = rng.choice(
            ["1" * 4000, "9" * 400, "1e999999999", "-", "1,234", "31.12.9999", "0001-01-01", "99999-01-01", "24:00"]
        )
        return ("x\n" + f"{cell}\n" * rng.choice((2, 40)) + "5\n").encode()
    return bytes(rng.randrange(256) for _ in range(rng.choice((1, 20, 2000))))


def read_table(data: bytes) -> None:
    """What cannot be used is refused in words; what can, is previewed and forecast."""
    try:
        found = tables.read(data, "table.csv")
        _words(found.notes)
        _words(tables.column(found).notes)
        task = OwnCsv(file=files.keep(data, "table.csv"), length=3)
        shown = preview.page(RunConfig(task=task))
        assert "<img src" not in shown, "markup from a file in the page"
        assert "<script" not in shown, "markup from a file in the page"
        task.data(1)
    except (FileProblem, Impossible) as error:
        _words([str(error)])
    finally:
        _forget()


def text(rng: Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return inputs.damaged(rng, ("The quick brown fox.\n" * 80).encode(rng.choice(ENCODINGS)))
    if kind == 1:
        words = "".join(inputs.text(rng)[:200] for _ in range(60))
        return inputs.clean(words).encode(rng.choice(("utf-8", "utf-16")), "replace")
    if kind == 2:
        return inputs.damaged(rng, "".join(chr(0x4E00 + k % 5000) for k in range(3000)).encode())
    return bytes(rng.randrange(256) for _ in range(rng.choice((1, 1500))))


def read_text(data: bytes) -> None:
    try:
        found = texts.read(data, "text.txt")
        _words(found.notes)
        assert "\0" not in found.text
        found.text.encode()
    except FileProblem as error:
        _words([str(error)])


def _words(said: Any) -> None:
    for words in said:
        for line in str(words).split("\n"):
            sentence(line)


def _forget() -> None:
    """Files stay in this process until it ends: of a server's they are in the store alone."""
    from lstm_core.tasks import own_csv

    files._kept.clear()
    own_csv._series.cache_clear()
    own_csv._table.cache_clear()
    preview.look.cache_clear()


class Harm:
    """Unpickled, it writes a file: the proof that code of a file was carried out."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        if self.how == "system":
            return os.system, (f"touch {MARKER}",)
        if self.how == "popen":
            return subprocess.Popen, (["touch", str(MARKER)],)
        if self.how == "exec":
            return exec, (f"open({str(MARKER)!r}, 'w').close()",)
        return getattr, (torch.load, "__globals__")


@cache
def _saved() -> dict[str, bytes]:
    """Real files of weights, in the forms that there are."""
    state = nn.LSTM(3, 5).state_dict()
    zipped, old = io.BytesIO(), io.BytesIO()
    torch.save(state, zipped)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    return {"safetensors": save(state), "pt": zipped.getvalue(), "pth": old.getvalue()}


def weight_file(rng: Random) -> bytes:
    kind = rng.randrange(9)
    if kind < 4:
        return inputs.damaged(rng, _saved()[rng.choice(sorted(_saved()))])
    if kind == 4:
        return pickle.dumps(Harm(rng.choice(("system", "popen", "exec", "getattr"))), rng.randrange(6))
    if kind == 5:
        return with_pickle(pickle.dumps({"weight_ih_l0": Harm(rng.choice(("system", "exec")))}, 2))
    if kind == 6:
        return _bomb(rng)
    if kind == 7:
        return _header(rng)
    good = {
        name: torch.full((20, 3), rng.choice((float("nan"), 1e38, float("inf"), 0.0)))
        for name in ("weight_ih_l0", "weight_hh_l0")
    }
    return save(good)


def with_pickle(told: bytes) -> bytes:
    """A file as torch.save writes it, with other commands in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_saved()["pt"])) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, told if name.endswith("data.pkl") else old.read(name))
    return out.getvalue()


def _bomb(rng: Random) -> bytes:
    """A small archive that unpacks to much, sometimes without saying so."""
    out = io.BytesIO()
    size = rng.choice((2 * 2**20, 64 * 2**20))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(size))
        archive.writestr("../../../tmp/x", b"x")
    data = out.getvalue()
    return data.replace(struct.pack("<I", size), struct.pack("<I", 100)) if rng.random() < 0.5 else data


def _header(rng: Random) -> bytes:
    """A safetensors file whose header says what is not so."""
    told: dict[str, Any] = {
        "weight_ih_l0": {
            "dtype": rng.choice(("F32", "F64", "BF16", "I64", "X9", "F8_E4M3")),
            "shape": rng.choice(([20, 3], [2**40, 2**40], [-1, 3], [], [0, 3], [20, "3"], [2**63])),
            "data_offsets": rng.choice(([0, 240], [0, 2**62], [240, 0], [-8, 240], [0], None)),
        }
    }
    if rng.random() < 0.3:
        told |= {f"{inputs.clean(inputs.text(rng))[:40]}{k}": told["weight_ih_l0"] for k in range(rng.choice((1, 500)))}
    head = json.dumps(told if rng.random() < 0.9 else inputs.nested(500)).encode()
    length = len(head) if rng.random() < 0.7 else rng.choice((0, 2**63 - 1, 2**64 - 1, 10**8))
    return length.to_bytes(8, "little") + head + bytes(rng.choice((0, 240, 300)))


def read_weights(data: bytes) -> None:
    """No file of weights carries anything out, and none breaks the process."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch tells of pickles that it did not expect
            weights.load_into(nn.LSTM(3, 5), data, "weights.pt")
    except FileProblem as error:
        _words([str(error)])
    if MARKER.exists():
        MARKER.unlink()
        raise AssertionError("code of a file was carried out")


ENTRIES = (
    Entry("uploads: tables", 60, table, read_table),
    Entry("uploads: texts", 40, text, read_text),
    Entry("uploads: weights", 90, weight_file, read_weights),
)
