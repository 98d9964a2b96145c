"""Who is let in: every rule of the gate by itself, without a server."""

from __future__ import annotations

import socket

import pytest

from app.outside.gate import hostname, listed_hosts, ours
from app.outside.headers import FEATURES, fixed, frame_ancestors, policy

FREE = ("localhost", "LOCALHOST:8501", "a.localhost", "127.0.0.1:8501", "[::1]:8501", "127.3.2.1")
NEAR = ("192.168.1.5:8501", "10.0.0.7", "[fe80::1]:8501", "labserver", "labserver:8501", "pi.local", "lab.home.arpa.")
FAR = ("example.org", "rebound.example.org:8501", "localhost.example.org", "127.0.0.1.example.org", "1.2.3.4.nip.io")
NONE = ("", "a@localhost", "localhost/x", "localhost:port", "localhost:99999", "[::1", "localhost?x", ":8501", ".")


def test_without_a_list_names_of_the_world_are_not_ours() -> None:
    for host in (*FREE, *NEAR, None, socket.gethostname()):
        assert ours(host, ()), host
    for host in (*FAR, *NONE):
        assert not ours(host, ()), host


def test_a_list_names_all_that_is_let_in_besides_this_machine() -> None:
    listed = listed_hosts({"LSTM_LAB_HOSTS": "Lab.Example.org., *.school.example  10.0.0.7"})
    assert listed == ("lab.example.org", "*.school.example", "10.0.0.7")
    for host in (
        *FREE,
        "lab.example.org:443",
        "a.school.example",
        "b.a.school.example",
        "10.0.0.7",
    ):
        assert ours(host, listed), host
    for host in ("labserver", "192.168.1.5", "school.example", "evilschool.example", "x.lab.example.org", *NONE):
        assert not ours(host, listed), host
    assert ours("anything.example", ("*",))


def test_a_host_is_read_as_browsers_write_it() -> None:
    assert hostname("[2001:DB8::1]:8501") == "2001:db8::1"
    assert hostname("Example.Org.:80") == "example.org"


def test_the_policy_lets_only_streamlits_own_first_script_run_inline() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy("'self'").split("; "))
    assert "unsafe-inline" not in rules["script-src"]
    assert "'unsafe-eval'" not in rules["script-src"]
    assert rules["script-src"].count("'sha256-") == 1
    assert "http" not in policy("'self'")
    assert (rules["object-src"], rules["base-uri"]) == ("'none'", "'self'")


def test_who_may_frame_the_page_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fixed(secure=False)["X-Frame-Options"] == "SAMEORIGIN"
    monkeypatch.setenv("LSTM_LAB_FRAME_ANCESTORS", "'self' https://lms.example.org")
    told = fixed(secure=True)
    assert told["Content-Security-Policy"].endswith("frame-ancestors 'self' https://lms.example.org")
    assert "X-Frame-Options" not in told
    assert told["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in fixed(secure=False)
    assert all(f"{feature}=()" in told["Permissions-Policy"] for feature in FEATURES)


@pytest.mark.parametrize("bad", ["https://a.example; script-src *", "https://a.example, x", "<b>"])
def test_what_could_change_the_policy_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="LSTM_LAB_FRAME_ANCESTORS"):
        frame_ancestors({"LSTM_LAB_FRAME_ANCESTORS": bad})
