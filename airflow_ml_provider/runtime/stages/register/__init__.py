"""Register: a model artifact becomes a version in the MLflow model registry, once for the same content."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.artifacts.digest import FileEntry, digest_of, scan
from airflow_ml_provider.protocol.promotions import PROMOTIONS_TAG, with_promotion
from airflow_ml_provider.protocol.request import Tracking
from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import ContractError, TrackingError
from airflow_ml_provider.runtime.stages.register.lineage import lineage, lineage_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST_TAG = "airflow_ml.model_digest"
LINEAGE_FILE = "lineage.json"
DESCRIPTION_LIMIT = 20_000
"""Characters of a model card that go to the version; MLflow takes no more than 100,000."""
CHALLENGER, CHAMPION = "challenger", "champion"

# What MLflow writes anew at each save, so that two saves of one model differ in nothing else.
_VOLATILE_KEYS = ("artifact_path", "model_id", "model_uuid", "run_id", "utc_time_created")


def run(context: BodyContext) -> BodyOutcome:
    """Upload the model to this stage's MLflow run, create the version, set its alias.

    A version that has the same model content is reused, whichever run made it.

    Raises:
        ContractError: The artifact is not an MLflow model.
        TrackingError: MLflow refused or did not answer.
    """
    tracking = context.request.tracking
    if tracking is None:
        raise ContractError("register: this stage runs untracked, and there is no registry without MLflow")
    import mlflow
    from mlflow.exceptions import MlflowException

    options = context.request.options
    folder = context.inputs["model"]
    if options["loader"]:
        folder = _as_pyfunc(folder, options["loader"])
    digest = model_digest(folder)
    try:
        client = mlflow.MlflowClient(tracking_uri=tracking.uri, registry_uri=tracking.uri)
        version, created = _version(client, folder, digest, tracking, context)
        previous = _alias_version(client, options["model_name"], CHAMPION)
        by = f"{context.request.pipeline} {context.request.dag_run}"
        alias = _set_alias(client, options["model_name"], version, promoted_by=by if options["promote"] else "")
    except MlflowException as error:
        raise TrackingError(f"register: MLflow refused: {error.message}") from error
    print(
        f"{options['model_name']} version {version} {'created' if created else 'reused: same content'}, alias {alias}",
        flush=True,
    )
    return BodyOutcome(
        metrics={"version": float(version)},
        values={
            "model": {
                "name": options["model_name"],
                "version": version,
                "alias": alias,
                "created": created,
                "digest": digest,
                "previous_champion": previous,
            }
        },
    )


def _as_pyfunc(folder: Path, loader: str) -> Path:
    """Return a model in MLflow's format that holds a folder, and the code with the module that loads it.

    See https://mlflow.org/docs/latest/api_reference/python_api/mlflow.pyfunc.html: ``_load_pyfunc(data_path)``.

    Raises:
        ContractError: There is no such module, or it has no such function.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        module = importlib.import_module(loader)
    except ImportError as error:
        raise ContractError(f"register: loader {loader!r} cannot be imported: {error}; is it in code?") from error
    if not callable(getattr(module, "_load_pyfunc", None)):
        raise ContractError(f"register: loader {loader!r} has no function _load_pyfunc(path), which MLflow calls")
    target = folder.parent / f"{folder.name}-as-pyfunc"
    try:
        mlflow.pyfunc.save_model(
            str(target),
            loader_module=loader,
            data_path=str(folder),
            code_paths=[str(Path.cwd())],
            pip_requirements=[f"mlflow=={mlflow.__version__}"],
        )
    except (MlflowException, OSError) as error:
        raise ContractError(f"register: the folder cannot be made a model of: {error}") from error
    return target


def model_digest(folder: Path) -> str:
    """Return a digest of a model's content that two saves of one model share.

    Raises:
        ContractError: The folder holds no ``MLmodel`` file that can be read.
    """
    import yaml

    description = folder / "MLmodel"
    if not description.is_file():
        raise ContractError(
            "register: the model artifact holds no MLmodel file; save it with mlflow.<flavor>.save_model(model, path) "
            "in the stage that trains it, or name the module that loads the folder (loader)"
        )
    try:
        content = yaml.safe_load(description.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractError(f"register: the model's MLmodel file cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ContractError("register: the model's MLmodel file is not a mapping")
    kept = {key: content[key] for key in content if key not in _VOLATILE_KEYS}
    for flavor in (kept.get("flavors") or {}).values():
        if isinstance(flavor, dict) and isinstance(flavor.get("model_code_path"), str):
            # Where the code lay that was saved with the model: another folder in each attempt.
            flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    stable = yaml.safe_dump(kept).encode()
    entries = [entry for entry in scan(folder) if entry.path != "MLmodel"]
    return digest_of([*entries, FileEntry("MLmodel", len(stable), hashlib.sha256(stable).hexdigest())])


def _version(
    client: MlflowClient, folder: Path, digest: str, tracking: Tracking, context: BodyContext
) -> tuple[str, bool]:
    name = context.request.options["model_name"]
    _ensure_registered_model(client, name)
    known = client.search_model_versions(f"name = '{name}' AND tag.`{DIGEST_TAG}` = '{digest}'")
    ready = [version for version in known if version.status == "READY"]
    if ready:
        return str(min(int(version.version) for version in ready)), False
    client.log_artifacts(tracking.run_id, str(folder), "model")
    source = f"{client.get_run(tracking.run_id).info.artifact_uri}/model"
    steps = lineage(context.request.inputs["model"])
    client.log_dict(tracking.run_id, [step.to_plain() for step in steps], LINEAGE_FILE)
    tags = {DIGEST_TAG: digest, **context.request.options["tags"], **lineage_tags(steps)}
    created = client.create_model_version(name, source, run_id=tracking.run_id, tags=tags, description=_card(context))
    return str(created.version), True


def _card(context: BodyContext) -> str | None:
    """Return the model card, which becomes the version's description."""
    folder = context.inputs.get("card")
    card = None if folder is None else folder / "card.md"
    if card is None or not card.is_file():
        return None
    text = card.read_text(encoding="utf-8")
    # The plot lies next to the card, which is not where the description is read.
    text = "\n".join(line for line in text.splitlines() if not line.startswith("!["))
    return text if len(text) <= DESCRIPTION_LIMIT else f"{text[:DESCRIPTION_LIMIT]}..."


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _alias_version(client: MlflowClient, name: str, alias: str) -> str | None:
    version: Any = client.get_registered_model(name).aliases.get(alias)
    return None if version is None else str(version)


def _set_alias(client: MlflowClient, name: str, version: str, *, promoted_by: str) -> str:
    was_champion = _alias_version(client, name, CHAMPION) == version
    if not promoted_by and was_champion:
        return CHAMPION
    client.set_registered_model_alias(name, CHALLENGER, version)
    if not promoted_by:
        return CHALLENGER
    client.set_registered_model_alias(name, CHAMPION, version)
    tags = client.get_model_version(name, version).tags
    if not was_champion or PROMOTIONS_TAG not in tags:
        now = dt.datetime.now(tz=dt.timezone.utc).isoformat()  # noqa: UP017 - Python 3.10
        client.set_model_version_tag(name, version, PROMOTIONS_TAG, with_promotion(tags, at=now, by=promoted_by))
    client.delete_registered_model_alias(name, CHALLENGER)
    return CHAMPION
