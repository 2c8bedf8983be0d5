"""What a cluster's administrator applies once, so that Airflow can run stages in a namespace and no more."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import yaml

from airflow_ml_provider.decisions.cluster_rights import KSERVE, SERVING, STAGES, rules_of
from airflow_ml_provider.pod.names import KIND_LABEL
from airflow_ml_provider.pod.predictor import KNATIVE_PORTS
from airflow_ml_provider.pod.server import ENDPOINT_LABEL
from airflow_ml_provider.protocol.serving import PORT, metrics_port

STAGE_ACCOUNT = "ml-stage"
ROLE = "airflow-ml"
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_KNATIVE_NAMESPACES = ("istio-system", "knative-serving", "kourier-system")
"""Where what sends Knative's requests runs: its activator, and the usual gateways."""
_DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def manifests(
    namespace: str,
    *,
    accounts: Sequence[str] = ("airflow",),
    account_namespace: str = "",
    uses: Collection[str] = (STAGES,),
    pods: int | None = None,
    callers: Sequence[str] = (),
    scrapers: Sequence[str] = (),
    mlflow: str = "",
    store: str = "",
) -> str:
    """Return the manifests as YAML.

    Args:
        namespace: Where stages run.
        accounts: The ServiceAccounts of Airflow's scheduler, workers and triggerers, ``NAME`` or ``NAMESPACE/NAME``.
        account_namespace: The namespace of those that name none; empty for that of the stages.
        uses: What rights are for: ``stages``, ``serving``, ``kserve``.
        pods: How many pods the namespace may hold, ``None`` for no quota.
        callers: Namespaces whose pods may ask endpoints; those of the namespace itself may anyway.
        scrapers: Namespaces whose pods may read what servers count.
        mlflow: Where MLflow is, ``NAMESPACE:PORT`` or ``CIDR:PORT``: with it or a store, pods get nowhere else.
        store: Where the store is, likewise.

    Raises:
        ValueError: A name or a place is none.
    """
    owners = [_account(account, account_namespace or namespace) for account in accounts]
    named = dict.fromkeys([namespace, *(owner for owner, _ in owners), *callers, *scrapers])
    for name in named:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a namespace: lowercase letters, digits and '-' are wanted")
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    others = dict.fromkeys(owner for owner, _ in owners if owner != namespace)
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": level}},
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": owner}} for owner in others),
        # Stages talk to the store and to MLflow, never to the API server.
        {**_object("v1", "ServiceAccount", STAGE_ACCOUNT, namespace), "automountServiceAccountToken": False},
        *(_object("v1", "ServiceAccount", name, owner) for owner, name in owners),
        {**_object("rbac.authorization.k8s.io/v1", "Role", ROLE, namespace), "rules": rules_of(uses)},
        {
            **_object("rbac.authorization.k8s.io/v1", "RoleBinding", ROLE, namespace),
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": owner} for owner, name in owners],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROLE},
        },
        *_policies(namespace, uses=uses, callers=callers, scrapers=scrapers, ways_out=(mlflow, store)),
    ]
    if pods is not None:
        documents.append({**_object("v1", "ResourceQuota", "ml", namespace), "spec": {"hard": {"pods": str(pods)}}})
    return yaml.dump_all(documents, Dumper=_WithoutAliases, sort_keys=False)


class _WithoutAliases(yaml.SafeDumper):
    """Writes what occurs twice twice: people read it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return true."""
        return True


def _account(written: str, namespace: str) -> tuple[str, str]:
    owner, _, name = written.rpartition("/")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{written!r} is not a ServiceAccount: write NAME or NAMESPACE/NAME")
    return owner or namespace, name


def _policies(
    namespace: str,
    *,
    uses: Collection[str],
    callers: Sequence[str],
    scrapers: Sequence[str],
    ways_out: Sequence[str],
) -> list[dict[str, Any]]:
    # Of stages and servers alone: what else runs in the namespace, such as a store, is not theirs to cut off.
    stages, servers = _having(KIND_LABEL), _having(ENDPOINT_LABEL)
    tune = {"matchLabels": {KIND_LABEL: "tune"}}
    own: list[dict[str, Any]] = [{"podSelector": {}}]
    policies = [
        _policy(namespace, "no-way-in", stages, "Ingress", None),
        # The workers of a tune stage ask its study.
        _policy(namespace, "workers-to-studies", tune, "Ingress", [{"from": [{"podSelector": tune}]}]),
    ]
    if {SERVING, KSERVE} & set(uses):
        ways_in = [
            {"from": [*own, *map(_namespace, callers)], "ports": [{"port": PORT}]},
            {"from": [*own, *map(_namespace, scrapers)], "ports": [{"port": metrics_port(PORT)}]},
        ]
        if KSERVE in uses:
            gateways = [*own, *map(_namespace, dict.fromkeys([*_KNATIVE_NAMESPACES, *callers]))]
            ways_in.append({"from": gateways, "ports": [{"port": port} for port in KNATIVE_PORTS]})
        policies.append(_policy(namespace, "requests-to-servers", servers, "Ingress", ways_in))
    if any(ways_out):
        # A stage asks servers and studies, which are its neighbours.
        allowed = [{"ports": _DNS}, {"to": own}, *(_way_out(place) for place in ways_out if place)]
        for name, pods in (("ways-out-of-stages", stages), ("ways-out-of-servers", servers)):
            policies.append(_policy(namespace, name, pods, "Egress", allowed))
    return policies


def _policy(namespace: str, name: str, pods: Mapping[str, Any], kind: str, rules: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": pods, "policyTypes": [kind]}
    if rules is not None:
        spec[kind.lower()] = rules
    return {**_object("networking.k8s.io/v1", "NetworkPolicy", name, namespace), "spec": spec}


def _having(label: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": label, "operator": "Exists"}]}


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: name}}}


def _way_out(place: str) -> dict[str, Any]:
    where, _, port = place.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{place!r} names no port: write NAMESPACE:PORT or CIDR:PORT, such as mlflow:5000")
    if _NAME.fullmatch(where):
        peer = _namespace(where)
    else:
        try:
            peer = {"ipBlock": {"cidr": str(ipaddress.ip_network(where.strip("[]")))}}
        except ValueError as error:
            raise ValueError(f"{place!r}: {where!r} is neither a namespace nor a CIDR ({error})") from error
    return {"to": [peer], "ports": [{"port": int(port)}]}


def _object(version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
