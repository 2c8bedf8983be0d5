"""What Airflow reads about this provider: https://airflow.apache.org/docs/apache-airflow-providers/."""

from __future__ import annotations

from typing import Any

from airflow_ml_provider import __version__


def get_provider_info() -> dict[str, Any]:
    """Return the provider's connection type, configuration section and links."""
    return {
        "package-name": "airflow-ml-provider",
        "name": "Machine Learning",
        "description": "Machine-learning pipelines native in Airflow, with MLflow.",
        "versions": [__version__],
        "connection-types": [
            {
                "connection-type": "mlflow",
                "hook-class-name": "airflow_ml_provider.hooks.mlflow.MlflowHook",
                "hook-name": "MLflow",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {"host": "Tracking server URL", "login": "User name"},
                    "placeholders": {
                        "host": "https://mlflow.example.com",
                        "port": "leave empty when in the URL",
                    },
                },
                "conn-fields": {
                    "token": {
                        "label": "Token",
                        "description": "Bearer token, instead of user name and password.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "tls_verify": {
                        "label": "Verify TLS certificates",
                        "schema": {"type": ["boolean", "null"], "default": True},
                    },
                    "ca_bundle": {
                        "label": "CA bundle",
                        "description": "Path of a PEM file, for a private certificate authority.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "timeout": {
                        "label": "Timeout in seconds",
                        "schema": {"type": ["number", "null"], "minimum": 1},
                    },
                },
            }
        ],
        "cli": ["airflow_ml_provider.cli.airflow_command.commands"],
        "task-decorators": [
            {"name": "ml_stage", "class-name": "airflow_ml_provider.decorators.ml_stage.ml_stage"},
        ],
        "extra-links": [
            "airflow_ml_provider.operators.links.EndpointLink",
            "airflow_ml_provider.operators.links.MlflowRunLink",
            "airflow_ml_provider.operators.links.ModelVersionLink",
        ],
        "config": {
            "ml": {
                "description": "Settings of airflow-ml-provider.",
                "options": {
                    "store": {
                        "description": "URI of the artifact store; default file://$AIRFLOW_HOME/ml-artifacts.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "s3://artifacts/ml",
                        "default": "",
                    },
                    "runner": {
                        "description": "Where stages run: local or kubernetes.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "local",
                    },
                    "image": {
                        "description": "Container image of stages that name none.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "registry.example.com/ml/stage:1.4",
                        "default": "",
                    },
                    "namespace": {
                        "description": "Kubernetes namespace of stages whose arguments, pod template and connection "
                        "name none.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "ml",
                        "default": "",
                    },
                    "pod_template": {
                        "description": "Path of a pod template file for stages that have none; everything else that "
                        "describes a pod comes before it.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "/opt/airflow/ml-pod.yaml",
                        "default": "",
                    },
                    "service_account": {
                        "description": "Kubernetes ServiceAccount of stages whose arguments and pod template name "
                        "none; empty for the namespace's default. airflow-ml manifests prints ml-stage.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "ml-stage",
                        "default": "",
                    },
                    "environment": {
                        "description": "Whose changes pipelines take: environments.NAME in the file, or a file "
                        "pipeline.NAME.yaml next to it.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "prod",
                        "default": "",
                    },
                    "defer_after": {
                        "description": "For how long a deferrable stage is followed in its task before it defers, in "
                        "seconds; 0 defers at once.",
                        "type": "float",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "15",
                    },
                    "allowed_uris": {
                        "description": "Below which URIs data may come from that whoever triggers a run chooses, "
                        "separated by commas or spaces: s3://raw/ https://data.example.com/flights/.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "s3://raw/, /srv/data/",
                        "default": "",
                    },
                    "stage_environment": {
                        "description": "Which further environment variables of a worker reach stages on the local "
                        "runner, as patterns of names: KAGGLE_*, OPENAI_API_KEY; * for all but Airflow's own.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "KAGGLE_*, OPENAI_API_KEY",
                        "default": "",
                    },
                    "isolate_stages": {
                        "description": "Whether stages on the local runner are kept from looking into other processes "
                        "of the worker's user (Landlock, Linux 5.19 and later); then they cannot use sudo or mount.",
                        "type": "boolean",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "True",
                    },
                    "log_streams": {
                        "description": "Logs that a triggerer follows at once in a namespace, 90 at most; others are "
                        "reported when their stage ends.",
                        "type": "integer",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "50",
                    },
                    "on_tracking_unavailable": {
                        "description": "When MLflow does not answer: fail the stage before any work, or continue "
                        "untracked.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "fail",
                    },
                },
            }
        },
    }
