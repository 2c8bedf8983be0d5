"""Trials a minute of a tune stage with four workers as pods, side by side with two other ways to run the same trials.

A trial sleeps; its code imports pandas and scikit-learn, as training code does. ``Optuna, n_jobs=4`` is a study in this
process with four threads: no pod, no store, no network. ``a pod a trial`` creates a pod of the same image for each
trial, four at a time, and watches it with the plain client, as Katib does. All include their start: the study's pod,
its workers, the first trial's wait.

The goals are 0.9 of Optuna in one process for trials of 5 s, and 3 times a pod a trial for trials of 1 s.
Needs what pod_overhead.py needs.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pod_overhead import IMAGE, KEYS, NAMESPACE, STORE, context, created_and_watched

WORKERS = 4
IMPORTS = "import time, pandas, sklearn.ensemble"
CODE = f"""\
{IMPORTS}


def trial(*, x, seconds):
    time.sleep(seconds)
    return {{"loss": x}}
"""


def tuned(seconds: float, trials: int) -> float:
    """Run a tune stage."""
    from airflow_ml_provider.operators import TuneOperator

    reached = os.environ.get("ML_TEST_POD_ENDPOINT", os.environ.get("AWS_ENDPOINT_URL", ""))
    values = {key: os.environ[key] for key in KEYS if key in os.environ} | {"AWS_ENDPOINT_URL": reached}
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder, "steps")
        code.mkdir()
        (code / "work.py").write_text(CODE)
        operator = TuneOperator(
            task_id="work",
            run="steps.work:trial",
            code=str(code),
            hyperparameters={"seconds": seconds},
            search={"x": {"float": [0, 1]}},
            objective={"metric": "loss", "direction": "minimize"},
            trials=trials,
            workers=WORKERS,
            runner="kubernetes",
            store=STORE,
            image=IMAGE,
            image_pull_policy="IfNotPresent",
            namespace=NAMESPACE,
            mlflow_conn_id=None,
            stage_resources={"cpu": "50m", "memory": "256Mi"},
            study_cpu="50m",
            env_vars=values,
        )
        started = time.monotonic()
        operator.execute(context())
        return time.monotonic() - started


def in_one_process(seconds: float, trials: int) -> float:
    """Run the trials in threads of this process."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def trial(given: optuna.Trial) -> float:
        x = given.suggest_float("x", 0, 1)
        time.sleep(seconds)
        return x

    started = time.monotonic()
    optuna.create_study().optimize(trial, n_trials=trials, n_jobs=WORKERS)
    return time.monotonic() - started


def a_pod_each(seconds: float, trials: int) -> float:
    """Run each trial in a pod of its own."""

    def one(_: int) -> float:
        command = ["python3", "-c", f"{IMPORTS}; time.sleep({seconds})"]
        container = {"name": "base", "image": IMAGE, "command": command, "imagePullPolicy": "IfNotPresent"}
        spec = {"restartPolicy": "Never", "containers": [container]}
        return created_and_watched({"metadata": {"name": f"trial-{uuid.uuid4().hex[:10]}"}, "spec": spec})

    started = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, range(trials)))
    return time.monotonic() - started


VARIANTS = {"tune, 4 workers": tuned, "Optuna, n_jobs=4": in_one_process, "a pod a trial": a_pod_each}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=80)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for seconds, others in ((5.0, ("Optuna, n_jobs=4",)), (1.0, ("Optuna, n_jobs=4", "a pod a trial"))):
        names = ("tune, 4 workers", *others)
        rounds = [
            {name: 60 * options.trials / VARIANTS[name](seconds, options.trials) for name in names}
            for _ in range(options.repeats)
        ]
        ours = statistics.median(each["tune, 4 workers"] for each in rounds)
        print(f"\n{options.trials} trials of {seconds:.0f} s, medians of {options.repeats}")
        print(f"{'':20}{'a minute':>10}{'tune is':>10}")
        for name in names:
            rate = statistics.median(each[name] for each in rounds)
            print(f"{name:20}{rate:10.1f}{ours / rate:9.2f}x")


if __name__ == "__main__":
    main()
