"""The model's code, which travels with it."""

import os
import time

import mlflow
import pandas as pd


class Line(mlflow.pyfunc.PythonModel):
    """Answers as its ``manner`` says, where it is served."""

    def load_context(self, context):
        """Keep the settings."""
        self.slope = context.model_config["slope"]
        self.manner = context.model_config["manner"]
        self.served = "AIRFLOW_ML_ENDPOINT" in os.environ
        self.answers = 0
        if self.manner == "crashes" and self.served:
            print("no weights on this machine", flush=True)
            os._exit(7)

    def predict(self, context, model_input: pd.DataFrame, params=None):
        """Return a line."""
        self.answers += 1
        slope = self.slope
        if self.served and self.manner == "wrong":
            slope += 1
        if self.served and self.manner == "fails" and self.answers > 4:
            raise RuntimeError("out of answers")
        if self.served and self.manner == "slow" and self.answers > 4:
            time.sleep(0.7)
        return [slope * float(x) for x in model_input["x"]]


mlflow.models.set_model(Line())
