"""The recipe for a lab server: its files fit the program, and the programs that they are for accept them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from app.outside import gate, headers, metrics
from tests.deploy import FILES, NAME, caddy, nginx

ROOT = Path(__file__).resolve().parents[2]
SOURCES = "\n".join(path.read_text() for folder in ("app", "lstm_core") for path in (ROOT / folder).rglob("*.py"))
SETTING = re.compile(r"\bLSTM_LAB_[A-Z_]+\b")


def settings(name: str) -> dict[str, str]:
    """What a file of the recipe sets, lines that are commented out included."""
    lines = re.findall(r"^(?:#|Environment=)?(LSTM_LAB_[A-Z_]+)=(.*)$", (FILES / name).read_text(), re.MULTILINE)
    return dict(lines)


def test_every_setting_of_the_recipe_is_one_of_the_program() -> None:
    set_ = settings("lstm-lab.env") | settings("lstm-lab.service")
    assert {"LSTM_LAB_HOSTS", "LSTM_LAB_DATABASE", "LSTM_LAB_LOG"} <= set(set_)
    assert set(set_) <= set(SETTING.findall(SOURCES))
    assert gate.listed_hosts(set_) == (NAME,)
    assert headers.frame_ancestors(set_).startswith("'self' https://")
    assert metrics.token(set_) == ""


def test_the_files_speak_of_one_server() -> None:
    for name in ("nginx.conf", "Caddyfile"):
        assert "127.0.0.1:8501" in (FILES / name).read_text()
        assert NAME in (FILES / name).read_text()
    assert "--address 127.0.0.1 --port 8501" in (FILES / "lstm-lab.service").read_text()
    forwarded = (FILES / "nginx.conf").read_text()
    # Without the name a page could not open its line; without the address everybody would count as sitting here.
    assert "proxy_set_header Host $http_host;" in forwarded
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in forwarded


def test_the_programs_that_are_here_accept_their_files(tmp_path: Path) -> None:
    checks = {
        "nginx": lambda: [*nginx(tmp_path, 8080, 8443, 8501), "-t"],
        "caddy": lambda: ["caddy", "adapt", *caddy(tmp_path, 8080, 8443, 8501)[2:]],
        "systemd-analyze": lambda: ["systemd-analyze", "verify", str(unit(tmp_path))],
    }
    for program, command in checks.items():
        if shutil.which(program):
            told = subprocess.run(command(), capture_output=True, text=True)
            assert told.returncode == 0, f"{program}: {told.stderr}"
            assert "unknown" not in told.stderr.lower(), told.stderr


def unit(folder: Path) -> Path:
    """The unit with a command that is there: that of the recipe is in /opt."""
    file = folder / "lstm-lab.service"
    file.write_text((FILES / "lstm-lab.service").read_text().replace("/opt/lstm-lab/.venv/bin/lstm-lab", "/bin/true"))
    return file
