"""A model's predictions of a dataset: the column, the probability of the second class, the space it clusters in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.protocol.request import StageRequest
from airflow_ml_provider.runtime.errors import BadDataError, ContractError
from airflow_ml_provider.runtime.function import user_code_error
from airflow_ml_provider.runtime.stages.task_metrics import PROBABILITY, SPACE

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN = 500


def predicted(request: StageRequest, inputs: Mapping[str, Path], model: str) -> DataFrame:
    """Return the rows of the dataset among the inputs with what the model says of them.

    Args:
        request: The stage.
        inputs: Local paths by input name; one is the model, another the dataset.
        model: The input that is the model.

    Raises:
        BadDataError: The dataset cannot be read, or its rows are not what the model takes.
        ContractError: The inputs are others, or the model gives no prediction a row.
        UserCodeError: The model raised.
    """
    import mlflow
    import pandas as pd
    from mlflow.exceptions import MlflowException

    from airflow_ml_provider.runtime.stages.dataset.reading import read_dataset
    from airflow_ml_provider.runtime.stages.dataset.signature import features_of

    data = [name for name in inputs if name != model]
    if len(data) != 1:
        raise ContractError(f"evaluate: next to the model one dataset is an input, got {', '.join(data) or 'none'}")
    dataset, target = read_dataset(inputs[data[0]], name=data[0]), request.options["target"]
    table = dataset.inferred()
    if target not in table.columns and request.options["task"] != "clustering":
        raise BadDataError(
            f"{data[0]} has no column {target!r}; it has {', '.join(map(str, table.columns))}: say target"
        )
    try:
        loaded = mlflow.pyfunc.load_model(str(inputs[model]))
    except (MlflowException, OSError) as error:
        raise ContractError(f"evaluate: {model} is not a model that MLflow can load: {error}") from error
    schema = loaded.metadata.get_input_schema()
    features = features_of(dataset.without(target), schema, name=data[0], model=model)
    if features.reasons:
        first = min(features.reasons)
        raise BadDataError(
            f"{data[0]}: {len(features.reasons):,} of {len(dataset):,} rows are not what {model} takes; row {first}: "
            f"{features.reasons[first].text}"
        )
    asked = _Asked(loaded, model, request.options)
    found = pd.concat([asked.columns(rows) for rows in features.batches(len(dataset) or 1)]).sort_index()
    return table.assign(**{str(name): found[name] for name in found.columns})


class _Asked:
    def __init__(self, loaded: Any, name: str, options: Mapping[str, Any]) -> None:
        self._loaded = loaded
        self._name = name
        self._options = options
        self._own = _own_model(loaded)

    def columns(self, rows: DataFrame) -> DataFrame:
        """Return what the model says of rows, as columns with their index."""
        import numpy as np
        import pandas as pd

        answer = self._call(self._loaded.predict, rows)
        try:
            found = {name: np.asarray(values) for name, values in self._said(answer, rows).items()}
            for values in found.values():
                # pandas would give one value to all rows.
                if values.shape != (len(rows),):
                    raise ValueError(f"for {len(rows):,} rows an array of shape {values.shape}")
            return pd.DataFrame(found, index=rows.index)
        except (TypeError, ValueError, IndexError) as error:
            raise ContractError(f"evaluate: {self._name} gives no column of predictions, one a row: {error}") from error

    def _said(self, answer: Any, rows: DataFrame) -> dict[str, Any]:
        import numpy as np
        import pandas as pd

        task, column = self._options["task"], self._options["prediction"]
        found: dict[str, Any] = {}
        if not isinstance(answer, pd.DataFrame | pd.Series):
            answer = np.asarray(answer)
        if isinstance(answer, pd.DataFrame):
            names = list(answer.columns)
            found[column] = answer[column if column in names else names[0]]
            if PROBABILITY in names:
                found[PROBABILITY] = answer[PROBABILITY]
        elif task == "classification" and answer.ndim == 2 and answer.shape[1] > 1:
            # The model was saved to answer with the probabilities of its classes.
            classes = np.asarray(getattr(self._own, "classes_", np.arange(answer.shape[1])))
            found[column] = classes[answer.argmax(axis=1)]
            found |= _second(answer)
        else:
            found[column] = answer[:, 0] if answer.ndim == 2 and answer.shape[1] == 1 else answer
            if task == "classification" and hasattr(self._own, "predict_proba"):
                found |= _second(np.asarray(self._call(self._own.predict_proba, rows)))
        return found | self._space(rows) if task == "clustering" else found

    def _space(self, rows: DataFrame) -> dict[str, Any]:
        """Return the coordinates that the last step of scikit-learn's pipeline is given, else the model's own columns.

        See https://scikit-learn.org/stable/modules/compose.html#pipeline-chaining-estimators.
        """
        import numpy as np

        steps = getattr(self._own, "steps", None)
        if self._options.get("space"):
            return {}
        if steps and len(steps) > 1:
            made = self._call(self._own[:-1].transform, rows)
            values = np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=float)
            return {f"{SPACE}{number}": values[:, number] for number in range(values.shape[1])}
        numbers = rows.select_dtypes("number")
        return {f"{SPACE}{number}": numbers[name] for number, name in enumerate(numbers.columns)}

    def _call(self, method: Any, rows: DataFrame) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return method(rows)
        except MlflowException as error:
            # MLflow quotes the rows themselves before it says what is wrong.
            why = error.message.rpartition("Error: ")[2][:_SHOWN]
            raise BadDataError(f"evaluate: the rows do not fit the signature of {self._name}: {why}") from None
        except Exception as error:
            raise user_code_error(error, during=f"predicting with {self._name}") from error


def _own_model(loaded: Any) -> Any:
    """Return the model itself where it is of scikit-learn, ``None`` for others."""
    if "sklearn" not in (loaded.metadata.flavors or {}):
        return None
    return loaded.get_raw_model() if hasattr(loaded, "get_raw_model") else None


def _second(shares: Any) -> dict[str, Any]:
    return {PROBABILITY: shares[:, 1]} if shares.ndim == 2 and shares.shape[1] == 2 else {}
