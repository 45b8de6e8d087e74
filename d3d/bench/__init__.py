"""The experiments, declared in YAML, and what turns a declaration into finished trainings in the record.

compose → plan → schedule → track: the command line becomes a launch, the launch becomes cells, Ray runs those that
are not finished, MLflow records them.
"""
