"""What KServe and Knative do with what they are told, as their sources say: specs and status in, status out.

``pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go``, ``PropagateStatus`` in
``pkg/apis/serving/v1beta1/inference_service_status.go`` and the validating webhook of kserve/kserve;
``pkg/apis/serving/fieldmask.go`` of knative/serving.
"""

from dataclasses import dataclass, field

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


@dataclass
class KnativeService:
    """What Knative knows of one InferenceService."""

    template: dict = field(default_factory=dict)
    count: int = 0
    created: str = ""
    ready: str = ""
    were_ready: set = field(default_factory=set)


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


def refused_by_kserve(found):
    """Say what KServe's webhook does not admit: a mode under two names, a metric that its autoscaler does not know."""
    annotations = found["metadata"]["annotations"]
    asked, said = annotations["serving.kserve.io/deploymentMode"], found.get("status", {}).get("deploymentMode")
    if said and asked != said:
        return f"deploymentMode cannot be changed from {said!r} to {asked!r}"
    metric = found["spec"]["predictor"].get("scaleMetric")
    by_hpa = annotations.get("autoscaling.knative.dev/class") == "hpa.autoscaling.knative.dev"
    return f"[{metric}] is not a supported metric" if metric and not by_hpa else ""
