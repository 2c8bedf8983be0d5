"""docker/compose.yaml against what it speaks of: Dockerfiles, Airflow's options and commands, the services' names."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from airflow.cli.cli_parser import airflow_commands
from airflow.configuration import conf

DOCKER = Path(__file__).parents[2] / "docker"
SERVICES = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
AIRFLOW = {name: service for name, service in SERVICES.items() if name.startswith("airflow-")}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_built_from_what_is_here_and_waits_for_services_that_are(name):
    service = SERVICES[name]
    build = service.get("build")
    if isinstance(build, str):
        assert (DOCKER / build / "Dockerfile").is_file()
    elif build:
        assert (DOCKER / build["context"] / build["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"[a-z/]+:v?[0-9.]+", service["image"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert not source.startswith(".") or (DOCKER / source).is_dir(), volume
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", AIRFLOW)
def test_airflows_options_and_commands_exist(name):
    commands = {command.name for command in airflow_commands}
    assert AIRFLOW[name]["command"][1] in commands
    for variable, value in AIRFLOW[name]["environment"].items():
        if variable.startswith("AIRFLOW__"):
            _, section, option = variable.lower().split("__", 2)
            assert option in conf.configuration_description[section]["options"], variable
        if str(value).startswith("http://"):
            assert urlsplit(value).hostname in SERVICES, variable


def test_every_component_of_airflow_runs():
    assert {service["command"][1] for service in AIRFLOW.values()} == {
        "db",
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
    }
