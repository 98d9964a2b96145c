"""The keys with which the processes of a cluster know each other: a folder that every machine of it has.

Whoever has these files can start training processes and read what they are given, the database's password included.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate
from distributed.security import Security

FILES = {"ca.pem": "tls_ca_file", "cert.pem": "tls_scheduler_cert", "key.pem": "tls_scheduler_key"}
ROLES = ("client", "scheduler", "worker")
MAKE = "python -m lstm_core keys FOLDER"


def make(folder: Path) -> datetime:
    """Make the keys of a new cluster in a folder, readable by its owner alone; returns until when they hold.

    Raises ValueError where there are some already: machines that have those would be locked out.
    """
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise ValueError(f"There are keys in {folder} already ({', '.join(there)}); choose another folder.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    security = Security.temporary()
    for name, field in FILES.items():
        path = folder / name
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(getattr(security, field))
    return load_pem_x509_certificate((folder / "cert.pem").read_bytes()).not_valid_after_utc


def security(environment: Mapping[str, str] = os.environ) -> Security:
    """The keys in the folder LSTM_LAB_TLS, else those of Dask's own configuration; raises ValueError."""
    folder = environment.get("LSTM_LAB_TLS", "").strip()
    if not folder:
        found = Security(require_encryption=True)
        if getattr(found, FILES["ca.pem"]) is None:
            raise ValueError(f"A cluster needs keys: set LSTM_LAB_TLS to a folder that `{MAKE}` has made.")
        return found
    paths = {name: Path(folder).expanduser() / name for name in FILES}
    missing = [name for name, path in paths.items() if not os.access(path, os.R_OK)]
    if missing:
        raise ValueError(
            f"LSTM_LAB_TLS is {folder!r}, but {', '.join(missing)} cannot be read there; `{MAKE}` makes it."
        )
    fields = {f"tls_{role}_{part}": str(paths[f"{part}.pem"]) for role in ROLES for part in ("cert", "key")}
    return Security(require_encryption=True, tls_ca_file=str(paths["ca.pem"]), **fields)


def checked(address: str) -> str:
    """The address of a scheduler that speaks TLS; raises ValueError for any other."""
    host, _, port = address.removeprefix("tls://").rpartition(":")
    if not (address.startswith("tls://") and host and port.isdecimal()):
        raise ValueError(f"{address!r} is no address of a scheduler that keeps secrets; it must be tls://HOST:PORT.")
    return address
