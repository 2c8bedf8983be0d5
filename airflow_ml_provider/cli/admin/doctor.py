"""``airflow-ml doctor``: does all that stages need answer from here? Each line is ok, or says what to do."""

from __future__ import annotations

import ipaddress
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal
from urllib.parse import urlsplit

import typer
from airflow import __version__ as airflow_version
from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import (
    AuthorizationV1Api,
    V1Pod,
    V1ResourceAttributes,
    V1SelfSubjectAccessReview,
    V1SelfSubjectAccessReviewSpec,
)
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from airflow_ml_provider import __version__
from airflow_ml_provider.artifacts.errors import AlreadyExistsError, StoreError
from airflow_ml_provider.artifacts.layout import join
from airflow_ml_provider.artifacts.objects import create_object, filesystem, is_local, read_object
from airflow_ml_provider.artifacts.store import ArtifactStore
from airflow_ml_provider.configuration import ml_settings
from airflow_ml_provider.decisions.cluster_rights import KSERVE, RULES, SERVING, STAGES, Rule
from airflow_ml_provider.errors import MlError, StageConfigurationError
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.runners.stage_pod import read_pod_template
from airflow_ml_provider.settings import MlSettings

# What the clients of stores read keys from; a role or workload identity needs none of them.
_KEYS = {
    "s3://": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "gs://": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "abfs": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN"),
}

Verdict = Literal["ok", "to do", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        what: What was looked at.
        verdict: ``ok``, ``to do``, or ``skipped`` where there was nothing to look at.
        text: What was seen, or what to do.
    """

    what: str
    verdict: Verdict
    text: str


def doctor(*, namespace: str | None, connection: str, mlflow_connection: str) -> bool:
    """Print what is well and what is to be done; returns whether nothing is to be done."""
    well = True
    for finding in _findings(namespace=namespace, connection=connection, mlflow_connection=mlflow_connection):
        well = well and finding.verdict != "to do"
        typer.echo(f"{finding.verdict:<8} {finding.what}: {finding.text}")
    return well


def _findings(*, namespace: str | None, connection: str, mlflow_connection: str) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Airflow", "ok", f"{airflow_version}, airflow-ml-provider {__version__}, Python {python}")
    try:
        settings = ml_settings()
    except StageConfigurationError as error:
        yield Finding("config", "to do", str(error))
        return
    yield Finding("config", "ok", f"runner {settings.runner}, store {settings.store}")
    yield _store(settings.store)
    yield _mlflow(mlflow_connection)
    yield from _in_pods(settings, mlflow_connection=mlflow_connection, asked=namespace is not None)
    if settings.runner != "kubernetes" and namespace is None:
        yield Finding("cluster", "skipped", "stages run in processes ([ml] runner); --namespace looks all the same")
        return
    yield _image(settings.image)
    yield from _cluster(namespace, connection, settings)


def _store(store: str) -> Finding:
    """Try what stages do: create an object exclusively, read it, remove it."""
    uri = join(store, "_doctor", uuid.uuid4().hex)
    try:
        create_object(uri, b"ok")
        try:
            create_object(uri, b"again")
            exclusive = False
        except AlreadyExistsError:
            exclusive = True
        content = read_object(uri)
        ArtifactStore().remove(uri)
    except (StoreError, FileNotFoundError) as error:
        return Finding("store", "to do", str(error))
    if not exclusive or content != b"ok":
        return Finding(
            "store", "to do", f"{store} does not keep two writers apart (If-None-Match: *); update the server"
        )
    return Finding("store", "ok", f"{store} can be written and read, and keeps two writers apart")


def _mlflow(connection: str) -> Finding:
    try:
        well, message = MlflowHook(connection).test_connection()
    except (AirflowException, MlError) as error:
        remedy = f"set AIRFLOW_CONN_{connection.upper()}, or add it under Admin > Connections"
        return Finding("MLflow", "to do", f"connection {connection!r}: {error}; {remedy}")
    return Finding("MLflow", "ok" if well else "to do", f"connection {connection!r}: {message}")


def _in_pods(settings: MlSettings, *, mlflow_connection: str, asked: bool) -> Iterator[Finding]:
    """Look at what answers here and may not answer in a pod: addresses, the template, keys."""
    if settings.runner != "kubernetes" and not asked:
        return
    try:
        path = settings.pod_template
        template = read_pod_template(path, named="[ml] pod_template") if path else None
    except StageConfigurationError as error:
        yield Finding("pod template", "to do", str(error))
        return
    problems = [*_addresses(settings.store, _mlflow_address(mlflow_connection), template), *_keys(settings, template)]
    for problem in problems:
        yield Finding("pods", "to do", problem)
    if not problems:
        yield Finding("pods", "ok", "nothing that only this machine has is given to them")


def _mlflow_address(connection: str) -> str:
    try:
        return MlflowHook(connection).server().uri
    except (AirflowException, MlError):
        return ""


def _addresses(store: str, mlflow: str, template: V1Pod | None) -> Iterator[str]:
    if is_loopback(mlflow):
        yield (
            f"MLflow's address {mlflow} is a loopback address, which in a pod is the pod itself: give connection "
            f"and pods an address that both reach"
        )
    if _is_on_disk(store) and not any(container.volume_mounts for container in _containers(template)):
        yield (
            f"the store {store} is on this machine's disk, a pod looks on its own: use a store such as s3://bucket/ml, "
            f"or mount one folder in workers and pods ([ml] pod_template)"
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    given = [variable.value or "" for variable in _variables(template) if variable.name.startswith("AWS_ENDPOINT_URL")]
    if store.startswith("s3://") and endpoint and not given and not _whole_secrets(template):
        yield (
            f"the store answers at {endpoint} (AWS_ENDPOINT_URL), which pods do not get: put AWS_ENDPOINT_URL into "
            f"the env of [ml] pod_template, or of pod: in each pipeline"
        )
    for address in filter(is_loopback, given if store.startswith("s3://") else ()):
        yield f"[ml] pod_template sends pods to {address} for the store, which in a pod is the pod itself"


def _is_on_disk(store: str) -> bool:
    try:
        return is_local(filesystem(store)[0])
    except StoreError:
        # What is wrong with it is said where it is tried.
        return False


def _keys(settings: MlSettings, template: V1Pod | None) -> Iterator[str]:
    """Look for keys of the store that this process has in its environment, and no pod gets."""
    for scheme, prefixes in _KEYS.items():
        here = sorted(name for name in os.environ if settings.store.startswith(scheme) and name.startswith(prefixes))
        there = {variable.name for variable in _variables(template)}
        account = template is not None and template.spec.service_account_name
        if here and not there.intersection(here) and not account and not _whole_secrets(template):
            yield (
                f"the store's keys {', '.join(here)} are in this environment alone: give them to pods from a "
                f"Kubernetes Secret (envFrom in [ml] pod_template, pod: secrets: in pipelines), or a service account"
            )


def _containers(template: V1Pod | None) -> list[Any]:
    return [] if template is None or template.spec is None else template.spec.containers or []


def _variables(template: V1Pod | None) -> list[Any]:
    return [variable for container in _containers(template) for variable in container.env or ()]


def _whole_secrets(template: V1Pod | None) -> bool:
    return any(container.env_from for container in _containers(template))


def is_loopback(address: str) -> bool:
    """Whether an address of HTTP is this machine's own."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _image(image: str) -> Finding:
    name = image.rpartition("/")[2]
    if not image:
        return Finding("image", "to do", "no default image: set [ml] image, or name one in each pipeline")
    if "@" not in name and (":" not in name or name.endswith(":latest")):
        return Finding("image", "to do", f"{image} names no version: give it a tag other than latest, or a digest")
    return Finding("image", "ok", f"{image} (whether the nodes can pull it shows the first pod)")


def _cluster(namespace: str | None, connection: str, settings: MlSettings) -> Iterator[Finding]:
    try:
        hook = KubernetesHook(conn_id=connection)
        found = namespace or hook.get_namespace() or settings.namespace
        client = hook.get_conn()
    except (AirflowException, MlError, ConfigException) as error:
        yield Finding("cluster", "to do", f"connection {connection!r}: {error}")
        return
    if not found:
        yield Finding("cluster", "to do", "no namespace is known: set [ml] namespace, or name it with --namespace")
        return
    try:
        missing = {use: list(_missing(client, found, rules)) for use, rules in RULES.items()}
    except (ApiException, HTTPError) as error:
        reason = getattr(error, "reason", None) or error
        yield Finding("cluster", "to do", f"connection {connection!r}: the API server does not answer: {reason}")
        return
    has = f"connection {connection!r} has every right it needs in namespace {found!r}"
    if missing[STAGES]:
        flags = "".join(f" --{use}" for use in (SERVING, KSERVE) if missing[use])
        yield Finding(
            "cluster",
            "to do",
            f"in namespace {found!r} these rights are missing: {', '.join(chain.from_iterable(missing.values()))}; "
            f"airflow-ml manifests --namespace {found}{flags} | kubectl apply -f -",
        )
    elif without := [use for use in (SERVING, KSERVE) if missing[use]]:
        flags = " or ".join(f"--{use}" for use in without)
        yield Finding("cluster", "ok", f"{has} for stages, none for endpoints that {flags} of manifests grants")
    else:
        yield Finding("cluster", "ok", has)


def _missing(client: Any, namespace: str, rules: list[Rule]) -> Iterator[str]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    if not _may(client, namespace, verb=verb, group=group, resource=resource):
                        yield f"{verb} {resource}"


def _may(client: Any, namespace: str, *, verb: str, group: str, resource: str) -> bool:
    name, _, subresource = resource.partition("/")
    attributes = V1ResourceAttributes(
        namespace=namespace, verb=verb, group=group, resource=name, subresource=subresource or None
    )
    review = V1SelfSubjectAccessReview(spec=V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
    answer = AuthorizationV1Api(client).create_self_subject_access_review(review, _request_timeout=10)
    return bool(answer.status.allowed)
