"""What ``airflow-ml manifests`` prints: rights for what is asked, ways for who is named."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from airflow_ml_provider.cli.admin.manifests import manifests
from airflow_ml_provider.decisions.cluster_rights import RULES, flag_of, rules_of

ENDPOINT, KIND = "airflow-ml/endpoint", "airflow-ml/kind"


def printed(**asked):
    return list(yaml.safe_load_all(manifests("ml", **asked)))


def policy(documents, name):
    (found,) = [one["spec"] for one in documents if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == name]
    return found


def resources(documents):
    (role,) = [one for one in documents if one["kind"] == "Role"]
    return {resource for rule in role["rules"] for resource in rule["resources"]}


def peers(rule):
    """Return the namespaces that a rule names, ``.`` for its own."""
    return {
        one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] if "namespaceSelector" in one else "."
        for one in rule["from"]
    }


def test_rights_are_for_what_is_asked():
    stages = {"pods", "pods/log", "events", "jobs"}
    serving = {"services", "deployments", "horizontalpodautoscalers"}
    kserve = {"inferenceservices", "configmaps"}
    assert resources(printed()) == stages
    assert resources(printed(uses=["serving"])) == stages | serving
    assert resources(printed(uses=["kserve"])) == stages | kserve
    assert resources(printed(uses=["stages", "serving", "kserve"])) == stages | serving | kserve
    assert {flag_of(resource) for resource in serving} == {" --serving"}
    assert {flag_of(resource) for resource in kserve} == {" --kserve"}
    assert {flag_of(resource) for resource in stages} == {""}
    assert "secrets" not in str(rules_of(RULES))
    assert "*" not in str(rules_of(RULES))


def test_several_accounts_and_the_namespaces_that_they_need():
    documents = printed(accounts=["airflow/scheduler", "airflow/worker", "triggerer"], account_namespace="other")
    wanted = [("airflow", "scheduler"), ("airflow", "worker"), ("other", "triggerer")]
    (binding,) = [one for one in documents if one["kind"] == "RoleBinding"]
    assert [(one["namespace"], one["name"]) for one in binding["subjects"]] == wanted
    accounts = {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in documents if one["kind"] == "ServiceAccount"
    }
    assert accounts == {*wanted, ("ml", "ml-stage")}
    assert [one["metadata"]["name"] for one in documents if one["kind"] == "Namespace"] == ["ml", "airflow", "other"]


def test_endpoints_admit_the_namespaces_that_are_named():
    found = policy(printed(uses=["serving"], callers=["shop"], scrapers=["monitoring"]), "requests-to-servers")
    assert found["podSelector"] == {"matchExpressions": [{"key": ENDPOINT, "operator": "Exists"}]}
    ways = {tuple(port["port"] for port in rule["ports"]): peers(rule) for rule in found["ingress"]}
    assert ways == {(8080,): {".", "shop"}, (8082,): {".", "monitoring"}}


def test_knatives_proxy_admits_gateways_and_callers():
    found = policy(printed(uses=["kserve"], callers=["shop"]), "requests-to-servers")
    ways = {rule["ports"][0]["port"]: peers(rule) for rule in found["ingress"]}
    assert ways[8012] == {".", "shop", "istio-system", "knative-serving", "kourier-system"}


def test_policies_are_about_stages_and_endpoints_alone():
    documents = printed(uses=["serving"], mlflow="mlflow:5000", store="10.0.0.0/8:9000")
    selectors = [one["spec"]["podSelector"] for one in documents if one["kind"] == "NetworkPolicy"]
    assert selectors
    for selector in selectors:
        keys = {*selector.get("matchLabels", ()), *(one["key"] for one in selector.get("matchExpressions", ()))}
        assert keys <= {ENDPOINT, KIND}
        assert keys, "an empty selector is every pod of the namespace, the store that the page names too"


def test_ways_out_are_dns_mlflow_the_store_and_neighbours():
    documents = printed(mlflow="mlflow:5000", store="10.0.0.0/8:9000")
    for name in ("ways-out-of-stages", "ways-out-of-servers"):
        dns, neighbours, mlflow, store = policy(documents, name)["egress"]
        assert {(one["port"], one["protocol"]) for one in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
        assert neighbours == {"to": [{"podSelector": {}}]}
        assert mlflow["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "mlflow"}
        assert (store["to"], store["ports"]) == ([{"ipBlock": {"cidr": "10.0.0.0/8"}}], [{"port": 9000}])
    assert "Egress" not in str(printed())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"store": "minio"}, "names no port"),
        ({"store": "minio:0"}, "names no port"),
        ({"mlflow": "http://mlflow:5000"}, "neither a namespace nor a CIDR"),
        ({"mlflow": "10.0.0.1/8:5000"}, "host bits set"),
        ({"callers": ["Shop"]}, "is not a namespace"),
        ({"accounts": ["a b"]}, "is not a ServiceAccount"),
        ({"accounts": ["x: y\n/z"]}, "is not a namespace"),
    ],
)
def test_what_is_no_place_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        manifests("ml", **asked)


def test_the_command_takes_all_of_it():
    command = [Path(sys.executable).parent / "airflow-ml", "manifests", "--namespace", "ml"]
    flags = (
        "--stages --serving --kserve --account airflow/worker --account airflow/triggerer --pods 20 --caller shop "
        "--scraper monitoring --mlflow mlflow:5000 --store 0.0.0.0/0:443"
    )
    done = subprocess.run([*command, *flags.split()], capture_output=True, text=True, check=True)
    asked = {
        "uses": ["stages", "serving", "kserve"],
        "accounts": ["airflow/worker", "airflow/triggerer"],
        "pods": 20,
        "callers": ["shop"],
        "scrapers": ["monitoring"],
        "mlflow": "mlflow:5000",
        "store": "0.0.0.0/0:443",
    }
    assert list(yaml.safe_load_all(done.stdout)) == printed(**asked)
    assert "&id" not in done.stdout
    refused = subprocess.run([*command, "--store", "x"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "'x' names no port" in refused.stderr + refused.stdout
