"""Chromium, and where its pictures go."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_ml_provider.testing.airflow_server import PASSWORD, USER

HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("airflow"))


@pytest.fixture(scope="session")
def chromium():
    """The path of Chromium; without one these tests are left out, but never in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no Chromium: apt-get install chromium")
    return found or pytest.skip("no Chromium, so Airflow's pages were not looked at: apt-get install chromium")


@pytest.fixture
def logged_in(chromium):
    """A page of an Airflow, logged in: ``with logged_in(url) as page``."""

    @contextmanager
    def page_of(url):
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(url)
            page.get_by_label("Username").fill(USER)
            page.get_by_label("Password", exact=False).first.fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda where: "login" not in where)
            yield page
            browser.close()

    return page_of
