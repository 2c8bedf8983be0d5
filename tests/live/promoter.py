"""One promotion in a process of its own, which may be killed before any of its steps."""

import logging
import os
import signal
import sys
from dataclasses import dataclass

from kubernetes import client, config

from airflow_ml_provider.decisions.serving.rollout import Revision, shared_requests
from airflow_ml_provider.hooks.inference_services import InferenceServices
from airflow_ml_provider.hooks.mlflow import MlflowHook
from airflow_ml_provider.hooks.pods import Pods
from airflow_ml_provider.hooks.serving_objects import ServingObjects
from airflow_ml_provider.mlflow_api.registry import ModelRegistry
from airflow_ml_provider.pod.predictor import predictor
from airflow_ml_provider.pod.server import server_deployment
from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.serving.deployment_target import DeploymentTarget
from airflow_ml_provider.serving.kserve_target import KServeTarget
from airflow_ml_provider.serving.promotion import Canary, Promotion

SERVER = """\
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = ('{"predictions": [' + os.environ["AIRFLOW_ML_MODEL_URI"].rpartition("/")[2] + "]}").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    do_POST = do_GET
    def log_message(self, *arguments): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("", int(os.environ["PORT"])), Answer).serve_forever()
"""
"""A server that is ready in a moment and answers with its version."""


@dataclass(frozen=True)
class Place:
    """Where a promotion works."""

    kubeconfig: str
    namespace: str
    image: str
    endpoint: str


def deployment_target(place, *, broken=False):
    """Return the endpoint, whose servers are the one above, or end at once."""
    core = client.CoreV1Api(config.new_client_from_config(place.kubeconfig))
    return DeploymentTarget(
        ServingObjects(core, namespace=place.namespace),
        Pods(core, namespace=place.namespace),
        endpoint=place.endpoint,
        pipeline="cut",
        deployment=deployments(place, broken=broken),
        autoscale={"max": 2, "cpu": 80},
        container="base",
    )


def kserve_target(place, *, broken=False, canary=()):
    """Return the endpoint on KServe, with the same servers."""
    core = client.CoreV1Api(config.new_client_from_config(place.kubeconfig))
    deployment = deployments(place, broken=broken)
    return KServeTarget(
        InferenceServices(core, namespace=place.namespace),
        Pods(core, namespace=place.namespace),
        endpoint=place.endpoint,
        pipeline="cut",
        predictor=lambda revision, knative: predictor(
            deployment(revision, 1), container="base", knative=knative, autoscale=None, start_seconds=60
        ),
        sharing=shared_requests(canary, {}),
        seconds=60,
    )


def deployments(place, *, broken):
    """Return what makes a revision's Deployment."""

    def deployment(revision, replicas):
        request = StageRequest(
            kind="serve",
            pipeline="cut",
            stage="serve",
            dag_run="",
            attempt="_serving",
            attempt_uri="s3://nowhere/_serving",
            command=("python3", "-c", "raise SystemExit('no weights')" if broken else SERVER),
            body="serve",
            options={"model": {"name": place.endpoint, "version": revision.version}},
        )
        container = client.V1Container(name="base", image=place.image, image_pull_policy="IfNotPresent")
        pod = client.V1Pod(
            metadata=client.V1ObjectMeta(namespace=place.namespace),
            spec=client.V1PodSpec(containers=[container], automount_service_account_token=False),
        )
        return server_deployment(
            pod,
            request,
            endpoint=place.endpoint,
            revision=revision,
            replicas=replicas,
            container="base",
            start_seconds=60,
            labels={},
        )

    return deployment


class Counting:
    """Passes calls on, and kills this process before the one of a number."""

    def __init__(self, end_before):
        self._left = end_before

    def step(self, call):
        """Return the call, counted."""

        def counted(*arguments, **named):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return counted

    def around(self, target):
        """Count what a target is told to change."""
        for name in ("write", "start", "settle", "remove_others"):
            setattr(target, name, self.step(getattr(target, name)))

    def around_kserve(self, target):
        """Count each change of a target's ConfigMap and InferenceServices."""
        for name in ("create_config_map", "replace_config_map", "create_service", "replace_service", "delete_service"):
            setattr(target._services, name, self.step(getattr(target._services, name)))


def promote(target, model, version, *, end_before=0, refuse_at=None, steps=(50, 100)):
    """Promote a version in steps; returns whether anything was changed."""
    counting = Counting(end_before)
    if isinstance(target, KServeTarget):
        counting.around_kserve(target)
        # All else is the same as on a Deployment.
        counting = Counting(0)
    counting.around(target)
    registry = ModelRegistry(MlflowHook("mlflow_default").get_conn())

    def watch(percent, new, old):
        assert new, "there are no new servers"
        if percent == refuse_at:
            raise RuntimeError(f"the guard does not hold at {percent}")

    # The alias and what is written next to it are steps of their own.
    registry.client.call = counting.step(registry.client.call) if end_before else registry.client.call
    promotion = Promotion(
        target,
        canary=Canary(steps, replicas=1, ready_seconds=60),
        smoke=counting.step(lambda _: None),
        watch=counting.step(watch),
        flip=lambda found: registry.promote(found.model, found.version, by="test"),
        champion=lambda name: str(registry.version_of_alias(name, "champion")["version"]),
        stopped=lambda: False,
        log=logging.getLogger("promotion"),
    )
    return promotion.run(Revision.of(model, version, {}))


def run(place, version, end_before, refuse_at, broken, target_of=deployment_target, steps=(50, 100)):
    """Run in a child process."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    target = target_of(place, broken=broken)
    promote(target, place.endpoint, version, end_before=end_before, refuse_at=refuse_at, steps=steps)
