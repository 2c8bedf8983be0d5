"""A model that fails when it is asked to, from code: https://mlflow.org/docs/latest/ml/model/models-from-code."""

import mlflow


class Line(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if "broken" in set(model_input["k"]):
            raise RuntimeError("no weights")
        if "unseen" in set(model_input["k"]):
            raise ValueError("Found unknown categories ['unseen'] in column 1 during transform")
        return [2.0 * value for value in model_input["x"]]


mlflow.models.set_model(Line())
