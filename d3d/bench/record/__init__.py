"""The record of runs: what is written to MLflow, where its files lie, and the web pages that show it."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when MLflow is imported
