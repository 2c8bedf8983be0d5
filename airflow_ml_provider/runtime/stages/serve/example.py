"""What the model itself answers to an example, without a server."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.runtime.body import BodyContext, BodyOutcome
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.stages.registered import fetch_version
from airflow_ml_provider.runtime.stages.serve.answers import undefined_in

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

REQUEST, ANSWER = "request.json", "answer.json"
"""Files of the output ``smoke``."""
_ROWS = 20
_EXAMPLE = "example"


def answered_offline(context: BodyContext) -> BodyOutcome:
    """Write a request in MLflow's scoring protocol and the model's answer to it.

    The request holds rows of the input ``example``, or the input example that was saved with the model. See
    https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input.

    Raises:
        ContractError: There is no example, or the model does not answer it.
        TrackingError: The version could not be fetched.
    """
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import scoring_server

    request = context.request
    name, version = request.options["model"]["name"], request.options["model"]["version"]
    assert request.tracking is not None
    shown = f"{name} version {version}"
    with tempfile.TemporaryDirectory(prefix="served-", dir=context.outputs["smoke"].parent) as folder:
        found = fetch_version(request.tracking.uri, name, version, into=Path(folder))
        try:
            model = mlflow.pyfunc.load_model(str(found))
        except Exception as error:
            raise ContractError(f"serve: {shown} cannot be loaded in the stage's image: {error}") from error
        text = _request(context, model, found, shown)
        try:
            answer = scoring_server.invocations(text, "application/json", model, model.metadata.get_input_schema())
        except MlflowException as error:
            raise ContractError(f"serve: {shown} does not answer its example: {error.message[:500]}") from error
    if answer.status != 200:
        raise ContractError(f"serve: {shown} does not answer its example: {_said(answer.response)}")
    if odd := undefined_in(answer.response):
        raise ContractError(
            f"serve: {shown} answers its own example with {odd}, which is not a prediction: does it need values "
            f"that the example lacks? {answer.response[:200]}"
        )
    target = context.outputs["smoke"]
    target.mkdir()
    (target / REQUEST).write_text(text, encoding="utf-8")
    (target / ANSWER).write_text(answer.response, encoding="utf-8")
    print(f"{shown} answers its example: {answer.response[:200]}", flush=True)
    return BodyOutcome()


def _request(context: BodyContext, model: PyFuncModel, folder: Path, shown: str) -> str:
    if _EXAMPLE not in context.inputs:
        saved = model.metadata.get_serving_input(str(folder))
        if saved is None:
            raise ContractError(
                f"serve: {shown} was saved without an input example, so nothing is known to ask its servers: "
                f"save it with input_example=..., or give the stage rows of it: example: features.test"
            )
        return str(saved)
    from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
    from airflow_ml_provider.runtime.stages.dataset.signature import features_of
    from airflow_ml_provider.runtime.stages.dataset.writing import json_rows

    rows = read_dataset(context.inputs[_EXAMPLE], name=_EXAMPLE).rows(0, _ROWS)
    features = features_of(rows, model.metadata.get_input_schema(), name=_EXAMPLE, model=shown)
    # One request has one set of columns: the first rows that have the same ones.
    found = next(features.batches(_ROWS), None)
    if found is None or found.empty:
        first = features.reasons[min(features.reasons)].text
        raise BadDataError(f"serve: no row of {_EXAMPLE} is what {shown} takes; row 0: {first}")
    split = {"columns": list(map(str, found.columns)), "data": list(json_rows(found))}
    return json.dumps({"dataframe_split": split}, allow_nan=False)


def _said(response: str) -> str:
    try:
        content = json.loads(response)
    except ValueError:
        return response[:500]
    return str(content.get("message", content))[:500] if isinstance(content, dict) else response[:500]
