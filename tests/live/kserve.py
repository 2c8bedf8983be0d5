"""A small controller that does with InferenceServices what KServe does, on Knative and without.

KServe's own cannot be installed where these tests run. This one moves real pods, and the status by the rules of
kserve_rules.py. Nothing weighs requests on "Knative": there the status is what is proven.
"""

import collections
import contextlib
import threading

from kubernetes import client, config

from airflow_ml_provider.testing.airflow_api import wait_until
from tests.live.kserve_rules import (
    EXTENSION,
    KnativeService,
    propagated,
    refused_by_knative,
    refused_by_kserve,
    traffic_targets,
    with_port,
)

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"


def resource(group, plural, kind):
    """Return a CustomResourceDefinition that takes everything, as KServe's minimal ones do."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": VERSION, "served": True, "storage": True, "subresources": {"status": {}}, "schema": anything}
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }


class Resources:
    """CustomResourceDefinitions that a cluster has for a while."""

    def __init__(self, kubeconfig):
        connection = config.new_client_from_config(str(kubeconfig))
        self._definitions = client.ApiextensionsV1Api(connection)
        self._apis = client.ApisApi(connection)
        self._custom = client.CustomObjectsApi(connection)
        self._core = client.CoreV1Api(connection)

    @contextlib.contextmanager
    def having(self, group, plural, kind):
        definition = resource(group, plural, kind)
        self._remove_left_behind(group, plural)
        self._definitions.create_custom_resource_definition(definition)
        try:
            wait_until(lambda: group in self._groups(), what=f"the API group {group}", seconds=30, every=0.2)
            yield
        finally:
            self._definitions.delete_custom_resource_definition(definition["metadata"]["name"])
            wait_until(lambda: group not in self._groups(), what=f"the end of {group}", seconds=60, every=0.2)

    def _remove_left_behind(self, group, plural):
        """Remove the kind of a run that was killed: its objects wait for a controller that is gone."""
        name = f"{plural}.{group}"
        if name not in self._names():
            return
        self._definitions.delete_custom_resource_definition(name)
        wait_until(
            lambda: name not in self._names() or self._let_go(group, plural), what=f"the end of {name}", seconds=60
        )

    def _let_go(self, group, plural):
        body = {"metadata": {"finalizers": []}}
        # The kind may be gone between two calls.
        with contextlib.suppress(client.ApiException):
            for one in self._custom.list_cluster_custom_object(group, VERSION, plural)["items"]:
                with self._namespace(one["metadata"]["namespace"]) as namespace:
                    self._custom.patch_namespaced_custom_object(
                        group, VERSION, namespace, plural, one["metadata"]["name"], body
                    )
        return False

    @contextlib.contextmanager
    def _namespace(self, name):
        """Give a namespace that is gone back for as long as an object in it is changed."""
        if name in {one.metadata.name for one in self._core.list_namespace().items}:
            yield name
            return
        self._core.create_namespace({"metadata": {"name": name}})
        try:
            yield name
        finally:
            self._core.delete_namespace(name)

    def _names(self):
        return {one.metadata.name for one in self._definitions.list_custom_resource_definition().items}

    def _groups(self):
        return {group.name for group in self._apis.get_api_versions().groups}


class KServe:
    """The controller of one namespace, for as long as a ``with`` block lasts.

    Attributes:
        refused: What the webhooks of KServe and Knative would have refused.
        parts: For each InferenceService on Knative what parts of the requests there were, by version.
    """

    def __init__(self, kubeconfig, namespace):
        connection = config.new_client_from_config(str(kubeconfig))
        self._custom = client.CustomObjectsApi(connection)
        self._apps = client.AppsV1Api(connection)
        self._core = client.CoreV1Api(connection)
        self._namespace = namespace
        self._services = {}
        self._templates = {}
        self.refused = []
        self._seen = {}
        self.parts = collections.defaultdict(list)
        self._versions = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(30)

    def get(self, name):
        """Return an InferenceService."""
        return self._custom.get_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURAL, name)

    def names(self):
        """Return the names of all InferenceServices."""
        return [one["metadata"]["name"] for one in self._listed()]

    def create(self, service):
        """Create an InferenceService."""
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "InferenceService", **service}
        self._custom.create_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURAL, body)

    def delete(self, name):
        """Delete an InferenceService."""
        self._custom.delete_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURAL, name)

    def _listed(self):
        return self._custom.list_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURAL)["items"]

    def _run(self):
        while not self._over.wait(0.1):
            with contextlib.suppress(client.ApiException):
                for one in self._listed():
                    with contextlib.suppress(client.ApiException):
                        self._reconcile(one)

    def _reconcile(self, found):
        predictor = found["spec"]["predictor"]
        if "containers" not in predictor:
            return
        on_knative = found["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] in ("Serverless", "Knative")
        wrong = refused_by_kserve(found) or (refused_by_knative(predictor) if on_knative else "")
        if self._seen.get(found["metadata"]["uid"]) != found["metadata"]["generation"] and wrong:
            self.refused.append(wrong)
        self._seen[found["metadata"]["uid"]] = found["metadata"]["generation"]
        if "deletionTimestamp" in found["metadata"]:
            # A webhook that refuses the change refuses this one too.
            if not refused_by_kserve(found):
                self._replace({**found, "metadata": {**found["metadata"], "finalizers": []}})
            return
        if not found["metadata"].get("finalizers"):
            self._replace({**found, "metadata": {**found["metadata"], "finalizers": ["inferenceservice.finalizers"]}})
            return
        if on_knative:
            status = self._on_knative(found, predictor)
        else:
            status = self._on_a_deployment(found, predictor)
        if status != found.get("status"):
            body = {**found, "status": status}
            self._custom.replace_namespaced_custom_object_status(
                GROUP, VERSION, self._namespace, PLURAL, found["metadata"]["name"], body
            )

    def _replace(self, found):
        name = found["metadata"]["name"]
        self._custom.replace_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURAL, name, found)

    def _on_knative(self, found, predictor):
        name, uid = found["metadata"]["name"], found["metadata"]["uid"]
        service = self._services.setdefault(uid, KnativeService())
        template = {key: value for key, value in predictor.items() if key != "canaryTrafficPercent"}
        if template != service.template:
            service.count += 1
            service.created, service.template = f"{name}-predictor-{service.count:05d}", template
            self._put_deployment(found, service.created, with_port(template))
            self._versions[service.created] = template["labels"]["airflow-ml/revision"].partition("-")[0]
        component = found.get("status", {}).get("components", {}).get("predictor", {})
        targets = traffic_targets(component, predictor.get("canaryTrafficPercent"))
        if self._has_pods(service.created, template["minReplicas"]):
            service.ready = service.created
        component = propagated(component, service, targets)
        self.parts[name].append(self._by_version(component["traffic"]))
        service.were_ready.add(service.ready)
        kept = {service.created, service.ready, *(target.get("revisionName") for target in targets)}
        self._remove_revisions(name, service.were_ready - kept)
        failure = self._failure(service.created)
        conditions = [{"type": "PredictorReady", "status": "True"}, {"type": "Ready", "status": "True"}]
        if service.created != service.ready:
            message = f'Revision "{service.created}" failed with message: {failure["message"]}.' if failure else ""
            said = {"status": "False" if failure else "Unknown", "reason": "RevisionFailed", "message": message}
            conditions = [{"type": "PredictorReady", **said}, {"type": "Ready", **said}]
        return {
            "components": {"predictor": component},
            "conditions": conditions,
            # Of the child, as KServe's is.
            "observedGeneration": service.count,
            "url": f"http://{name}.{self._namespace}.example.com",
            "address": {"url": f"http://{name}.{self._namespace}.svc.cluster.local"},
            "modelStatus": {"transitionStatus": "InProgress", **({"lastFailureInfo": failure} if failure else {})},
            "deploymentMode": "Knative",
        }

    def _by_version(self, traffic):
        parts = collections.Counter()
        for one in traffic:
            parts[self._versions[one["revisionName"]]] += one["percent"]
        return parts

    def _on_a_deployment(self, found, predictor):
        name = f"{found['metadata']['name']}-predictor"
        if self._templates.get(found["metadata"]["uid"]) != predictor:
            self._put_deployment(found, name, predictor)
            self._put_service(found, name)
            self._templates[found["metadata"]["uid"]] = predictor
        deployment = self._apps.read_namespaced_deployment(name, self._namespace)
        conditions = {one.type: one for one in deployment.status.conditions or ()}
        available, progressing = conditions.get("Available"), conditions.get("Progressing")
        ready = "True" if available and available.status == "True" else "False"
        if progressing and progressing.status == "True":
            ready = "True" if progressing.reason == "NewReplicaSetAvailable" else "Unknown"
        if available and available.status == "False":
            ready = "False"
        failure = self._failure(name)
        said = {"status": ready, "reason": progressing.reason if progressing else "", "message": ""}
        return {
            "conditions": [{"type": "PredictorReady", **said}, {"type": "Ready", **said}],
            "components": {"predictor": {"url": f"http://{name}.{self._namespace}.svc"}},
            "observedGeneration": deployment.status.observed_generation,
            "url": f"http://{found['metadata']['name']}.{self._namespace}.example.com",
            "address": {"url": f"http://{name}.{self._namespace}.svc.cluster.local"},
            "modelStatus": {"transitionStatus": "InProgress", **({"lastFailureInfo": failure} if failure else {})},
            "deploymentMode": "Standard",
        }

    def _owned(self, found, name):
        owner = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "InferenceService",
            "name": found["metadata"]["name"],
            "uid": found["metadata"]["uid"],
        }
        return {"name": name, "ownerReferences": [owner], "labels": {"owner": found["metadata"]["name"]}}

    def _put_deployment(self, found, name, predictor):
        owner = found["metadata"]["name"]
        labels = {**found["metadata"]["labels"], **predictor["labels"], "app": name}
        labels |= {"serving.kserve.io/inferenceservice": owner, "component": "predictor"}
        labels |= {"serving.knative.dev/revision": name}
        annotations = {**found["metadata"]["annotations"], **predictor.get("annotations", {})}
        body = {
            "metadata": self._owned(found, name),
            "spec": {
                "replicas": predictor["minReplicas"],
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": labels, "annotations": annotations},
                    "spec": {key: value for key, value in predictor.items() if key not in EXTENSION},
                },
            },
        }
        try:
            self._apps.create_namespaced_deployment(self._namespace, body)
        except client.ApiException as error:
            if error.status != 409:
                raise
            self._apps.replace_namespaced_deployment(name, self._namespace, body)

    def _put_service(self, found, name):
        spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
        with contextlib.suppress(client.ApiException):
            self._core.create_namespaced_service(self._namespace, {"metadata": self._owned(found, name), "spec": spec})

    def _has_pods(self, name, count):
        return (self._apps.read_namespaced_deployment(name, self._namespace).status.available_replicas or 0) >= count

    def _remove_revisions(self, owner, unrouted):
        """Knative keeps no pods of revisions that no route names; those that never were ready it keeps for a while."""
        for one in self._apps.list_namespaced_deployment(self._namespace, label_selector=f"owner={owner}").items:
            if one.metadata.name in unrouted:
                self._apps.delete_namespaced_deployment(one.metadata.name, self._namespace)

    def _failure(self, name):
        for pod in self._core.list_namespaced_pod(self._namespace, label_selector=f"app={name}").items:
            for status in pod.status.container_statuses or ():
                ended = status.last_state.terminated or status.state.terminated
                if ended and ended.exit_code and not status.ready:
                    message = ended.message or f"Container failed with: exit code {ended.exit_code}"
                    return {"reason": "ModelLoadFailed", "message": message, "exitCode": ended.exit_code}
        return None
