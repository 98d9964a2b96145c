"""Try the recipe in `assets/deploy` for real: `python -m tests.deploy nginx` (or caddy), as `make deploy` does.

The proxy is started beside a server of its own, with a certificate made for the moment, on free ports of this
machine; a browser then does through it what a class does. Needs nginx or Caddy, openssl and a browser.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect, sync_playwright
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests import loops
from tests.browser.lab import Lab
from tests.chromium import launch_options
from tests.core.own_files import csv_of, walk
from tests.serving import Server, end, serve

FILES = Path(__file__).resolve().parents[1] / "assets" / "deploy"
NAME = "lab.example.org"
ENVIRONMENT = {"LSTM_LAB_HOSTS": NAME, "LSTM_LAB_LOG": "json", "LSTM_LAB_LOG_LEVEL": "info"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def certificate(folder: Path) -> None:
    """`fullchain.pem` and `privkey.pem` for `NAME`, signed by themselves."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    subprocess.run(
        [*command, "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"], check=True, capture_output=True
    )


def nginx(folder: Path, http: int, https: int, behind: int) -> list[str]:
    """A command that serves the recipe's site on these ports in front of a server at port `behind`."""
    certificate(folder)
    site = (FILES / "nginx.conf").read_text()
    for said, here in {
        r"listen \[::\]:.*\n": "\n",
        r"listen 80;": f"listen 127.0.0.1:{http};",
        r"listen 443 ": f"listen 127.0.0.1:{https} ",
        r"127\.0\.0\.1:8501": f"127.0.0.1:{behind}",
        r"/etc/lstm-lab/": f"{folder}/",
    }.items():
        site, count = re.subn(said, here, site)
        assert count, f"the recipe has no {said}"
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    frame = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
    whole = folder / "nginx.conf"
    whole.write_text(f"{frame}http {{ access_log off; {places}\n{site}\n}}\n")
    return ["nginx", "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(whole)]


def caddy(folder: Path, http: int, https: int, behind: int) -> list[str]:
    """The same for Caddy, with a certificate of its own making."""
    site = (FILES / "Caddyfile").read_text()
    site = site.replace(f"{NAME} {{", f"https://{NAME}:{https} {{\n\ttls internal").replace(":8501", f":{behind}")
    settings = f"admin off\nskip_install_trust\nhttp_port {http}\nhttps_port {https}\nstorage file_system {folder}\n"
    whole = folder / "Caddyfile"
    whole.write_text(f"{{\n{settings}}}\n{site}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(whole)]


@contextlib.contextmanager
def proxy(kind: str, folder: Path, server: Server) -> Iterator[tuple[int, int]]:
    """Run the proxy in front of the server; gives its ports for http and https."""
    http, https = free_port(), free_port()
    behind = int(server.url.rsplit(":", 1)[1])
    command = {"nginx": nginx, "caddy": caddy}[kind](folder, http, https, behind)
    with (folder / "proxy.log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", https), 1):
                break
            assert process.poll() is None, (folder / "proxy.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield http, https
    finally:
        end(process)


def answers(http: int, https: int, server: Server) -> None:
    """What can be said without a browser: headers, redirection, names, figures, lines of other pages."""
    host = {"Host": f"{NAME}:{https}"}
    with httpx.Client(verify=False, timeout=20) as client:
        moved = client.get(f"http://127.0.0.1:{http}/lessons?x=1", headers={"Host": NAME})
        assert moved.status_code == 308
        assert moved.headers["Location"].startswith(f"https://{NAME}")
        extensions = {"sni_hostname": NAME}
        base = f"https://127.0.0.1:{https}"
        page = client.get(base, headers=host, extensions=extensions)
        assert page.status_code == 200
        assert "max-age" in page.headers["Strict-Transport-Security"]
        client.get(f"{base}/_stcore/health", headers=host, extensions=extensions)
        cookies = [cookie for answer in (page,) for cookie in answer.headers.get_list("set-cookie")]
        assert cookies
        assert all("; Secure" in cookie for cookie in cookies), cookies
        figures = client.get(f"{base}/metrics", headers=host, extensions=extensions)
        assert figures.status_code == 403
    with httpx.Client() as direct:
        assert direct.get(f"{server.url}/metrics").status_code == 200
        for name in ("other.example.org", "labserver"):
            assert direct.get(f"{server.url}/", headers={"Host": name}).status_code == 421

    async def line(origin: str) -> int:
        import ssl

        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        address = f"wss://{NAME}:{https}/lab/stream"
        try:
            async with connect(address, origin=origin, host="127.0.0.1", port=https, ssl=trusting):  # type: ignore[arg-type]
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    assert loops.run(line(f"https://{NAME}:{https}")) == 101
    assert loops.run(line("https://elsewhere.example.org")) == 403
    assert loops.run(line(f"https://{NAME}")) == 403


def pages(page: Page, url: str, folder: Path) -> None:
    """What a class does: train and watch, step, present, bring a table, look at every page."""
    lab = Lab(page, url).open("/?task=recall&training.steps=120&task.length=10&model.hidden_size=16")
    lab.train()
    expect(lab.state).to_have_text("finished", timeout=120_000)
    assert lab.step() > 100
    assert all(cookie["secure"] for cookie in page.context.cookies()), page.context.cookies()
    page.keyboard.press("p")
    expect(lab.sidebar).to_be_hidden()
    page.keyboard.press("p")
    expect(lab.sidebar).to_be_visible()
    for name in ("lessons", "initializers", "compare", "cell", "runs"):
        page.goto(f"{url}/{name}")
        lab.settled()
        page.wait_for_load_state("networkidle")
    lab.open("/?task=csv")
    table = folder / "walk.csv"
    table.write_bytes(csv_of(walk()))
    lab.bring(table)
    expect(lab.sidebar).to_contain_text("walk.csv")
    # Streamlit asks below a page's address first, and at the root when there is nothing.
    errors = [error for error in lab.errors if "404" not in error]
    assert not errors, errors


def main(kinds: list[str]) -> int:
    for kind in kinds or ["nginx", "caddy"]:
        if shutil.which(kind) is None:
            print(f"{kind} is not installed here; nothing was tried.", file=sys.stderr)
            return 1
        with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
            folder = Path(name)
            server = stack.enter_context(serve(folder, workers=1, environment=ENVIRONMENT))
            http, https = stack.enter_context(proxy(kind, folder, server))
            answers(http, https, server)
            with sync_playwright() as playwright:
                options = launch_options()
                options["args"] = [*options["args"], f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]  # type: ignore[misc]
                browser = playwright.chromium.launch(**options)  # type: ignore[arg-type]
                page = browser.new_page(ignore_https_errors=True)
                page.set_default_timeout(60_000)
                pages(page, f"https://{NAME}:{https}", folder)
                browser.close()
        print(f"{kind}: the recipe holds.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
