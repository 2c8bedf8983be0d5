"""A small controller that does with InferenceServices what KServe does, on Knative and without.

KServe's own cannot be installed where these tests run. This one moves pods and status as KServe's sources do
(``pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go``, ``PropagateStatus`` and
``PropagateRawStatus`` in ``pkg/apis/serving/v1beta1/inference_service_status.go``), and refuses what Knative refuses
(``pkg/apis/serving/fieldmask.go``). Nothing weighs requests on "Knative": there the status is what is proven.
"""

import collections
import contextlib
import threading
from dataclasses import dataclass, field

from kubernetes import client, config

from airflow_ml_provider.testing.airflow_api import wait_until

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
EXTENSION = {
    "annotations", "batcher", "canaryTrafficPercent", "containerConcurrency", "labels", "logger", "maxReplicas",
    "minReplicas", "model", "scaleMetric", "scaleTarget", "timeout",
}  # fmt: skip
OF_A_POD = {
    "automountServiceAccountToken", "containers", "enableServiceLinks", "hostNetwork", "imagePullSecrets",
    "serviceAccountName", "volumes",
}  # fmt: skip
OF_A_CONTAINER = {
    "args", "command", "env", "envFrom", "image", "imagePullPolicy", "livenessProbe", "name", "ports",
    "readinessProbe", "resources", "securityContext", "terminationMessagePath", "terminationMessagePolicy",
    "volumeMounts", "workingDir",
}  # fmt: skip
OF_A_SECURITY_CONTEXT = {
    "allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem", "runAsGroup", "runAsNonRoot", "runAsUser",
    "seccompProfile",
}  # fmt: skip
RESERVED = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}


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

    @contextlib.contextmanager
    def having(self, group, plural, kind):
        definition = resource(group, plural, kind)
        self._definitions.create_custom_resource_definition(definition)
        try:
            wait_until(lambda: group in self._groups(), what=f"the API group {group}", seconds=30, every=0.2)
            yield
        finally:
            self._definitions.delete_custom_resource_definition(definition["metadata"]["name"])
            wait_until(lambda: group not in self._groups(), what=f"the end of {group}", seconds=60, every=0.2)

    def _groups(self):
        return {group.name for group in self._apis.get_api_versions().groups}


@dataclass
class KnativeService:
    """What Knative knows of one InferenceService."""

    template: dict = field(default_factory=dict)
    count: int = 0
    created: str = ""
    ready: str = ""


class KServe:
    """The controller of one namespace, for as long as a ``with`` block lasts.

    Attributes:
        refused: What Knative's webhook would have refused.
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
            for one in self._listed():
                with contextlib.suppress(client.ApiException):
                    self._reconcile(one)

    def _reconcile(self, found):
        predictor = found["spec"]["predictor"]
        if "containers" not in predictor:
            return
        if found["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Serverless":
            wrong = refused_by_knative(predictor)
            if wrong:
                self.refused.append(wrong)
                return
            status = self._on_knative(found, predictor)
        else:
            status = self._on_a_deployment(found, predictor)
        if status != found.get("status"):
            body = {**found, "status": status}
            self._custom.replace_namespaced_custom_object_status(
                GROUP, VERSION, self._namespace, PLURAL, found["metadata"]["name"], body
            )

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
        kept = {service.created, service.ready, *(target.get("revisionName") for target in targets)}
        self._remove_revisions(name, kept)
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
            "deploymentMode": "Serverless",
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
            "deploymentMode": "RawDeployment",
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

    def _remove_revisions(self, owner, kept):
        """Knative keeps no pods of revisions that no route names."""
        for one in self._apps.list_namespaced_deployment(self._namespace, label_selector=f"owner={owner}").items:
            if one.metadata.name not in kept:
                self._apps.delete_namespaced_deployment(one.metadata.name, self._namespace)

    def _failure(self, name):
        for pod in self._core.list_namespaced_pod(self._namespace, label_selector=f"app={name}").items:
            for status in pod.status.container_statuses or ():
                ended = status.last_state.terminated or status.state.terminated
                if ended and ended.exit_code and not status.ready:
                    message = ended.message or f"Container failed with: exit code {ended.exit_code}"
                    return {"reason": "ModelLoadFailed", "message": message, "exitCode": ended.exit_code}
        return None


def with_port(predictor):
    """Return a predictor with the variable that Knative gives its container."""
    first, *others = predictor["containers"]
    port = {"name": "PORT", "value": str(first["ports"][0]["containerPort"])}
    return {**predictor, "containers": [{**first, "env": [*first.get("env", ()), port]}, *others]}


def traffic_targets(component, percent):
    """Return what KServe asks Knative's route for."""
    last = component.get("latestRolledoutRevision", "")
    if percent is None or not last:
        return [{"latestRevision": True, "percent": 100}]
    targets = [{"latestRevision": True, "percent": percent}]
    if percent < 100:
        targets.append({"latestRevision": False, "percent": 100 - percent, "revisionName": last, "tag": "prev"})
    return targets


def propagated(component, service, targets):
    """Return the component's status after Knative followed, and KServe took over what it says."""
    component, parts = dict(component), {}
    traffic = [{**one, "revisionName": service.ready} if one["latestRevision"] else one for one in targets]
    traffic = traffic if service.ready else []
    for target in traffic:
        parts[target["revisionName"]] = parts.get(target["revisionName"], 0) + target["percent"]
    for target in traffic:
        if target["revisionName"] != service.ready or not target["latestRevision"]:
            continue
        if component.get("latestRolledoutRevision", "") != service.ready:
            if target["percent"] == 100:
                component["previousRolledoutRevision"] = component.get("latestRolledoutRevision", "")
                component["latestRolledoutRevision"] = service.ready
        elif service.ready == service.created and target["percent"] < 100 and parts[service.ready] == 100:
            before = component.get("previousRolledoutRevision")
            component["latestRolledoutRevision"] = before or component["latestRolledoutRevision"]
    return {
        **component,
        "latestCreatedRevision": service.created,
        "latestReadyRevision": service.ready,
        "traffic": traffic,
    }


def refused_by_knative(predictor):
    """Say what Knative does not admit, with its features as they are after an installation."""
    wrong = [key for key in predictor if key not in EXTENSION | OF_A_POD]
    for one in predictor["containers"]:
        wrong += [f"containers.{key}" for key in one if key not in OF_A_CONTAINER]
        wrong += [f"securityContext.{key}" for key in one["securityContext"] if key not in OF_A_SECURITY_CONTEXT]
        wrong += [f"env {variable['name']}" for variable in one.get("env", ()) if variable["name"] in RESERVED]
        wrong += [f"port {port['name']}" for port in one.get("ports", ()) if port.get("name", "h2c") != "h2c"]
    if sum(len(one.get("ports", ())) for one in predictor["containers"]) != 1:
        wrong.append("expected exactly one port")
    return ", ".join(wrong)
