"""An Airflow with a hundred pipelines, Chromium, and where its pictures go."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_ml_provider.testing.airflow_server import PASSWORD, USER, AirflowServer

HERE = Path(__file__).parent
LOADER = Path(__file__).parents[2] / "example_dags" / "load_pipelines.py"
GOOD = """\
pipeline: p{number:02}
tracking: false
schedule: "@once"
stages:
  work:
    kind: container
    command: ["true"]
"""
BROKEN = GOOD.replace("container", "contaner")
COUNT = 100
BROKEN_NUMBER = 42
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("hundred")
    (made / "load_pipelines.py").write_text(LOADER.read_text())
    for number in range(COUNT):
        text = BROKEN if number == BROKEN_NUMBER else GOOD
        (made / f"p{number:02}.yaml").write_text(text.format(number=number))
    return made


@pytest.fixture(scope="session")
def airflow(folder, tmp_path_factory):
    server = AirflowServer(
        home=tmp_path_factory.mktemp("airflow"),
        dags_folder=folder,
        environment={
            "AIRFLOW__ML__STORE": f"file://{tmp_path_factory.mktemp('store')}",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            # As shipped, a removed DAG goes up to 50 + 60 s after the parse that lacked it.
            "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "5",
            "AIRFLOW__SCHEDULER__PARSING_CLEANUP_INTERVAL": "5",
        },
    )
    with server as api:
        yield server, api


@pytest.fixture
def picture(tmp_path):
    """Where pages' pictures go, by name: into ML_PICTURES to be looked at, else into the test's folder."""
    folder = Path(os.environ.get("ML_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name: folder / f"{name}.png"


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
