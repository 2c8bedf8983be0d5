"""The README's picture: the pipeline's run in Airflow's UI, taken with Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from airflow_ml_provider.testing.airflow_server import PASSWORD, USER
from demo.stack import DemoError, Stack

CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def take(stack: Stack, *, dag_id: str, run_id: str, folder: Path) -> list[Path]:
    """Write a picture of the run's graph and return its path.

    Raises:
        DemoError: There is no Chromium.
    """
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        raise DemoError("there is no Chromium: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "airflow-run.png"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 760})
        page.goto(stack.airflow_url)
        page.get_by_label("Username").fill(USER)
        page.get_by_label("Password", exact=False).first.fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "login" not in url)
        page.goto(f"{stack.airflow_url}/dags/{dag_id}/runs/{run_id}")
        page.locator("button[aria-label*='raph']").first.click()
        page.locator(".react-flow__node").nth(6).wait_for()
        # The graph moves into place; two equal pictures say that it stands still.
        before = b""
        while (now := page.screenshot()) != before:
            before = now
            page.wait_for_timeout(500)
        page.screenshot(path=picture)
        browser.close()
    return [picture]
