"""The policy of the server in a real browser: what is not the program's own code does not run."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.serving import Server

SCRIPTS = {
    "an element": """() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
    }""",
    "a handler": """() => {
      document.body.insertAdjacentHTML("beforeend", '<img src="/nothing.png" onerror="window.ran = true">');
    }""",
    "an address": """() => {
      document.body.insertAdjacentHTML("beforeend", '<a id="bad" href="javascript:window.ran = true">x</a>');
      document.getElementById("bad").click();
    }""",
    "another server": """() => {
      const script = document.createElement("script");
      script.src = "http://127.0.0.1:9/bad.js";
      document.body.append(script);
    }""",
    "a text": """() => {
      const script = document.createElement("script");
      script.src = "data:text/javascript,window.ran=true";
      document.body.append(script);
    }""",
}


def test_a_script_that_was_smuggled_in_does_not_run(showing: Server, page: Page, nothing_forbidden: list[str]) -> None:
    page.goto(f"{showing.url}/lessons")
    expect(page.get_by_test_id("stApp")).to_be_visible()
    for way, script in SCRIPTS.items():
        page.evaluate(script)
        page.wait_for_timeout(200)
        assert page.evaluate("window.ran") is None, way
        assert any("script-src" in said for said in nothing_forbidden), way
        nothing_forbidden.clear()


def test_nothing_can_be_taken_elsewhere(showing: Server, page: Page, nothing_forbidden: list[str]) -> None:
    page.goto(f"{showing.url}/lessons")
    expect(page.get_by_test_id("stApp")).to_be_visible()
    send = "address => fetch(address).then(() => 'sent', () => 'held')"
    assert page.evaluate(send, "http://127.0.0.1:9/?secret") == "held"
    assert (
        page.evaluate(
            "new Promise(done => { const s = new WebSocket('ws://127.0.0.1:9'); s.onerror = () => done('held') })"
        )
        == "held"
    )
    assert sum("connect-src" in said for said in nothing_forbidden) == 2
    nothing_forbidden.clear()


def test_no_other_server_can_frame_the_page(showing: Server, browser: Browser) -> None:
    page = browser.new_page()
    page.route(
        "http://elsewhere.test/",
        lambda route: route.fulfill(body=f'<iframe src="{showing.url}/"></iframe>', content_type="text/html"),
    )
    page.goto("http://elsewhere.test/")
    page.wait_for_timeout(1000)
    framed = page.frames[-1]
    assert framed.locator("[data-testid=stApp]").count() == 0
    page.close()
