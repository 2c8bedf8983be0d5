"""One broken file of a hundred: 99 pipelines run, the broken one is seen, and fixed without a restart."""

from airflow_ml_provider.testing.airflow_api import wait_until
from tests.browser.conftest import BROKEN_NUMBER, COUNT, GOOD

UNFINISHED = {"queued", "running"}


def tags(api, dag_id):
    return {tag["name"] for tag in api.get(f"/dags/{dag_id}")["tags"]}


def runs(api):
    return {run["dag_id"]: run["state"] for run in api.get("/dags/~/dagRuns", limit=100)["dag_runs"]}


def test_one_broken_file_of_a_hundred(airflow, folder, logged_in, picture):
    server, api = airflow
    broken = f"p{BROKEN_NUMBER:02}"
    good = {f"p{number:02}" for number in range(COUNT) if number != BROKEN_NUMBER}
    wait_until(lambda: runs(api).keys() >= good, what="a run of each of the 99 pipelines", seconds=120)
    wait_until(lambda: not UNFINISHED & set(runs(api).values()), what="the end of the 99 runs", seconds=600, every=3)
    assert runs(api) == dict.fromkeys(good, "success")

    assert tags(api, broken) == {"ml", "broken"}
    with logged_in(f"{server.url}/dags/{broken}") as page:
        page.goto(f"{server.url}/dags?tags=broken")
        page.get_by_role("link", name=broken, exact=True).first.wait_for()
        assert page.get_by_role("link", name="p41", exact=True).count() == 0
        page.goto(f"{server.url}/dags/{broken}")
        page.get_by_role("button", name="Dag Docs").first.click()
        message = page.get_by_text("did you mean 'container'?").first
        message.wait_for()
        assert f"{broken}.yaml:6:5: stages.work.kind: unknown kind 'contaner'" in message.inner_text()
        page.screenshot(path=picture("broken-pipeline"))
    failed = api.trigger(broken)
    assert api.wait_for_run(broken, failed) == "failed"
    assert "unknown kind 'contaner'" in api.log(broken, failed, "mend_the_file")

    (folder / f"{broken}.yaml").write_text(GOOD.format(number=BROKEN_NUMBER))
    wait_until(lambda: tags(api, broken) == {"ml"}, what="the fixed pipeline", seconds=60)
    assert api.wait_for_run(broken, api.trigger(broken)) == "success"

    (folder / "p07.yaml").unlink()
    wait_until(lambda: api.get("/dags/p07")["is_stale"], what="the removed pipeline's end", seconds=90)
