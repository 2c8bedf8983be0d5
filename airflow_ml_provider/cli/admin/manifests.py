"""What a cluster's administrator applies once, so that Airflow can run stages in a namespace and no more."""

from __future__ import annotations

from typing import Any

import yaml

from airflow_ml_provider.decisions.serving.kserve import GROUP
from airflow_ml_provider.pod.names import KIND_LABEL
from airflow_ml_provider.pod.predictor import KNATIVE_PORTS
from airflow_ml_provider.pod.server import ENDPOINT_LABEL
from airflow_ml_provider.protocol.serving import PORT

STAGE_ACCOUNT = "ml-stage"
ROLE = "airflow-ml"
RULES: list[dict[str, list[str]]] = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "delete", "get", "patch"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create", "delete", "list", "patch"]},
    {
        "apiGroups": ["autoscaling"],
        "resources": ["horizontalpodautoscalers"],
        "verbs": ["create", "delete", "list", "patch"],
    },
    {"apiGroups": [GROUP], "resources": ["inferenceservices"], "verbs": ["create", "delete", "get", "update"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "delete", "get", "update"]},
]
"""All that operators and triggers ask of the API server; a test shows that none of it can be left out."""


def manifests(namespace: str, *, account: str, account_namespace: str, pods: int | None) -> str:
    """Return the manifests as YAML.

    Args:
        namespace: Where stages run.
        account: The ServiceAccount that Airflow's workers and triggerers use.
        account_namespace: Its namespace.
        pods: How many pods the namespace may hold, ``None`` for no quota.
    """
    return yaml.safe_dump_all(
        list(_objects(namespace, account=account, account_namespace=account_namespace, pods=pods)), sort_keys=False
    )


def _objects(namespace: str, *, account: str, account_namespace: str, pods: int | None) -> list[dict[str, Any]]:
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    quota: list[dict[str, Any]] = (
        []
        if pods is None
        else [{**_object("v1", "ResourceQuota", "ml", namespace), "spec": {"hard": {"pods": str(pods)}}}]
    )
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": level}},
        # Stages talk to the store and to MLflow, never to the API server.
        {**_object("v1", "ServiceAccount", STAGE_ACCOUNT, namespace), "automountServiceAccountToken": False},
        _object("v1", "ServiceAccount", account, account_namespace),
        {**_object("rbac.authorization.k8s.io/v1", "Role", ROLE, namespace), "rules": RULES},
        {
            **_object("rbac.authorization.k8s.io/v1", "RoleBinding", ROLE, namespace),
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": account_namespace}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROLE},
        },
        {
            **_object("networking.k8s.io/v1", "NetworkPolicy", "no-way-in", namespace),
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        },
        {
            # The workers of a tune stage ask its study.
            **_object("networking.k8s.io/v1", "NetworkPolicy", "workers-to-studies", namespace),
            "spec": {
                "podSelector": {"matchLabels": {KIND_LABEL: "tune"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {"matchLabels": {KIND_LABEL: "tune"}}}]}],
            },
        },
        {
            # Served models are asked by anybody.
            **_object("networking.k8s.io/v1", "NetworkPolicy", "requests-to-servers", namespace),
            "spec": {
                "podSelector": {"matchExpressions": [{"key": ENDPOINT_LABEL, "operator": "Exists"}]},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": port} for port in (PORT, *KNATIVE_PORTS)]}],
            },
        },
        *quota,
    ]


def _object(version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
