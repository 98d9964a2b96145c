"""Wait for what a page's own scripts know."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page


def until(page: Page, expression: str, arg: Any = None, timeout: float = 20.0) -> None:
    """Wait until the expression, or what the function returns for `arg`, is true; raises TimeoutError.

    Playwright's `wait_for_function` evaluates text within the page, which its Content-Security-Policy forbids.
    """
    deadline = time.monotonic() + timeout
    while not page.evaluate(expression, arg):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout:g} s this is not true yet: {expression}")
        page.wait_for_timeout(25)
