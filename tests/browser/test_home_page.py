"""The page ML: all pipelines, their last runs, filters, pages, a telephone."""

import httpx

from airflow_ml_provider.testing.airflow_api import wait_until
from tests.browser.conftest import COUNT

# The two that tests/browser/test_broken_pipeline.py changes.
CHANGING = 2


def test_a_hundred_pipelines(airflow, logged_in, picture):
    server, api = airflow

    def total():
        answer = httpx.get(f"{server.url}/ml/api/pipelines", headers=api.headers, timeout=90)
        return answer.json()["total"]

    wait_until(lambda: total() >= COUNT - CHANGING, what="the pipelines", seconds=120)
    api.wait_for_run("p99", api.trigger("p99"), seconds=300)
    with logged_in(server.url) as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.get_by_role("link", name="ML", exact=True).click()
        page.get_by_role("heading", name="Machine learning").wait_for()
        cards = page.get_by_role("article")
        cards.first.wait_for()
        assert cards.count() == 24
        assert page.get_by_text(f"1 to 24 of {total()}").is_visible()
        page.get_by_role("button", name="Next").click()
        page.get_by_text(f"25 to 48 of {total()}").wait_for()

        # Letter by letter: Airflow makes the page anew at the first change of its address.
        page.goto(f"{server.url}/plugin/ml")
        field = page.get_by_label("Search pipelines")
        field.click()
        field.press_sequentially("p9", delay=150)
        page.get_by_role("link", name="p90", exact=True).wait_for()
        page.wait_for_url("**/plugin/ml?search=p9")
        assert field.input_value() == "p9"
        assert cards.count() == 10
        page.get_by_label("Tag", exact=True).select_option("ml")
        page.get_by_label("Last run", exact=True).select_option("success")
        page.wait_for_url("**/plugin/ml?search=p9&tag=ml&state=success")
        strip = page.get_by_role("list", name="Last runs of p99")
        strip.wait_for()
        page.screenshot(path=picture("ml-home"))

        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{server.url}/plugin/ml?search=p99")
        strip.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.screenshot(path=picture("ml-home-phone"))
        page.get_by_role("link", name="p99", exact=True).click()
        page.wait_for_url("**/dags/p99")
        assert problems == []
