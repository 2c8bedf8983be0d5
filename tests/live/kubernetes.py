"""What tests ask and do to a live Kubernetes."""

import contextlib
import uuid

import yaml
from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from kubernetes import client, config, utils

from airflow_ml_provider.testing.airflow_api import wait_until


class Kubernetes:
    """One namespace of a cluster."""

    def __init__(self, kubeconfig, namespace):
        self.namespace = namespace
        self._kubeconfig = kubeconfig
        self._client = config.new_client_from_config(str(kubeconfig))
        self.api = client.CoreV1Api(self._client)

    def apply(self, text):
        """Create the objects of a YAML text."""
        utils.create_from_yaml(self._client, yaml_objects=list(yaml.safe_load_all(text)))

    def kubeconfig_of(self, account):
        """Return the kubeconfig of a ServiceAccount."""
        request = {"spec": {"expirationSeconds": 7200}}
        token = self.api.create_namespaced_service_account_token(account, self.namespace, request).status.token
        content = yaml.safe_load(self._kubeconfig.read_text())
        (user,) = content["users"]
        user["user"] = {"token": token}
        return content

    def delete_namespace(self):
        self.api.delete_namespace(self.namespace, grace_period_seconds=0)

    def create_secret(self, name, values):
        self.api.create_namespaced_secret(self.namespace, {"metadata": {"name": name}, "stringData": values})

    def pods(self, **labels):
        """Return the pods of stages."""
        selector = ",".join(
            ["airflow-ml/kind", *(f"airflow-ml/{key}={make_safe_label_value(value)}" for key, value in labels.items())]
        )
        return self.api.list_namespaced_pod(self.namespace, label_selector=selector).items

    def wait_for_pod(self, seconds=60, phase=None, **labels):
        """Wait for one pod of a stage, and for a phase of it where one is asked for."""

        def found():
            pods = self.pods(**labels)
            return bool(pods) and phase in (None, pods[0].status.phase)

        wait_until(found, what=f"a pod {labels} {phase or ''}", seconds=seconds, every=0.2)
        return self.pods(**labels)[0]

    def log(self, pod, container="base"):
        """Return what a container has logged."""
        return self.api.read_namespaced_pod_log(pod.metadata.name, pod.metadata.namespace, container=container)

    def sleeping_pods(self, image, annotations):
        """Create stages' pods that sleep, by name with their annotations; returns their names in the cluster."""
        names = {}
        for name, annotated in annotations.items():
            names[name] = f"{name}-{uuid.uuid4().hex[:8]}"
            restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
            container = {
                "name": "base",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", "600"],
                "securityContext": restricted,
            }
            security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
            self.api.create_namespaced_pod(
                self.namespace,
                {
                    "metadata": {
                        "name": names[name],
                        "labels": {"airflow-ml/kind": "train"},
                        "annotations": annotated,
                    },
                    "spec": {
                        "containers": [container],
                        "securityContext": security,
                        "restartPolicy": "Never",
                        "terminationGracePeriodSeconds": 0,
                    },
                },
            )
        return names

    def delete_pods(self, names):
        """Delete pods; that one is gone is not an error."""
        for name in names:
            with contextlib.suppress(client.ApiException):
                self.api.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)

    def wait_for_gone(self, name):
        """Wait until there is no pod of that name."""
        there = lambda: name in {pod.metadata.name for pod in self.pods()}  # noqa: E731
        wait_until(lambda: not there(), what=f"the end of pod {name}", seconds=40, every=0.2)

    def wait_for_no_pods(self, seconds=40, **labels):
        """Wait until no pod of a stage is left."""
        wait_until(lambda: not self.pods(**labels), what=f"the end of the pods {labels}", seconds=seconds, every=0.2)
