"""The rules that go beyond azure-ai-ml's loaders: who says so, and whether breaking one stops a submission.

A finding without a rule is a refusal of azure-ai-ml 1.35 itself, at loading a file or at sending it: the tests compare
the two on thousands of files. A finding on what azure-ai-ml accepts names its rule here, and with it an outside source.
"""

from typing import NamedTuple

_REST = "Azure's REST specification of Microsoft.MachineLearningServices"
_YAML = "learn.microsoft.com/azure/machine-learning/reference-yaml-"


class Rule(NamedTuple):
    """Who says so, and whether the service takes it all the same, so that it is worth a notice only."""

    source: str
    is_notice: bool = False


RULES = {
    "address": Rule("learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2: the paths of data"),
    "build": Rule(f"{_REST}: BuildContext requires contextUri; its dockerfilePath is Dockerfile unless given"),
    "code": Rule(f"{_YAML}job-command: code is a directory"),
    "command": Rule(f"{_REST}: CommandJob.command has at least one letter or digit"),
    "compute": Rule(f"{_REST}: the pattern of computeName"),
    "conda": Rule("azure-ai-ml sends the text of the conda file alone (entities/_assets/environment.py)"),
    "conda specification": Rule("docs.conda.io, managing environments: a mapping with a list of dependencies"),
    "count": Rule(f"{_YAML}job-command and {_YAML}compute-aml: numbers of nodes, processes and seconds"),
    "environment variable": Rule(f"{_REST}: CommandJob.environmentVariables has texts"),
    "experiment": Rule("azureml-core 1.61, _base_sdk_common/common.py: the names of experiments"),
    "import": Rule("docs.python.org/3/library/exceptions: ModuleNotFoundError", is_notice=True),
    "option": Rule("docs.python.org/3/library/argparse: an option that it does not know ends the program"),
    "image": Rule(f"{_YAML}environment: image and build, of which one is required"),
    "mlflow": Rule("the requirements of azureml-mlflow on PyPI; MLflow finds the workspace through this plugin"),
    "mltable": Rule("learn.microsoft.com/azure/machine-learning/how-to-mltable: a folder with the file MLTable"),
    "name": Rule(f"{_REST}: the pattern of the names of assets and jobs"),
    "path": Rule("azure-ai-ml, operations/_job_operations.py, _resolve_job_input: what is local has to be there"),
    "reference": Rule(f"{_YAML}core-syntax: a command job knows the contexts inputs and outputs"),
    "retired": Rule("learn.microsoft.com/azure/machine-learning/how-to-migrate-from-v1: the end of SDK v1"),
    "script": Rule("learn.microsoft.com/azure/machine-learning/how-to-train-model: a job sees the files of its code"),
    "secret": Rule("learn.microsoft.com/azure/machine-learning/how-to-use-secrets-in-runs: secrets stay in a vault"),
    "shm_size": Rule("azure-ai-ml, _schema/job_resource_configuration.py: the description of shm_size"),
    "snapshot": Rule("azure-ai-ml warns above 100 MB (_utils/_asset_utils.py)"),
    "ssh": Rule("learn.microsoft.com/azure/machine-learning/how-to-interactive-jobs: ssh needs a public key"),
    "tag": Rule(f"{_REST}: tags are texts"),
    "version": Rule("a version is a part of addresses in Azure, .../versions/{version}, and of azureml:NAME:VERSION"),
    "vm size": Rule("learn.microsoft.com/azure/virtual-machines/vm-naming-conventions"),
    "batch": Rule(f"{_YAML}deployment-batch: the settings"),
    "executor": Rule("learn.microsoft.com/azure/machine-learning/how-to-use-batch-endpoint: azureml-core is required "
                     "by the executor", is_notice=True),
    "deployment name": Rule("azure-ai-ml, entities/_endpoint/_endpoint_helpers.py, for endpoints and deployments"),
    "endpoint name": Rule("learn.microsoft.com/azure/machine-learning/how-to-manage-quotas: names of endpoints"),
    "pickle": Rule("scikit-learn.org/stable/model_persistence: a model is loaded by the versions that wrote it"),
    "scoring": Rule(f"{_YAML}deployment-managed-online: code_configuration, environment and model"),
    "server": Rule("learn.microsoft.com/azure/machine-learning/how-to-inference-server-http; without it an image "
                   "installs one that is years old when it starts (Azure/azureml-examples#3444)"),
    "serving count": Rule(f"{_YAML}deployment-managed-online, and how-to-manage-quotas: the ranges of numbers"),
    "traffic": Rule(f"{_YAML}endpoint-online: traffic and mirror_traffic"),
    "workers": Rule(f"{_YAML}deployment-managed-online: WORKER_COUNT and max_concurrent_requests_per_instance"),
    "deprecated": Rule("azure-ai-ml, _utils/utils.py, map_single_brackets_and_warn", is_notice=True),
    "kind": Rule("this project judges command jobs, data, clusters, environments, conda files, endpoints and "
                 "deployments", is_notice=True),
    "nodes": Rule("learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu", is_notice=True),
    "python": Rule("docs.conda.io: an environment has the packages that are asked for", is_notice=True),
    "other": Rule("another file of this repository says something else", is_notice=True),
    "start": Rule(f"{_YAML}deployment-managed-online: the probes; and what aml serve measured", is_notice=True),
    "size": Rule(f"{_YAML}compute-aml: the default of size", is_notice=True),
    "unused": Rule("learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2: AZURE_ML_INPUT_<name>, "
                   "AZURE_ML_OUTPUT_<name>", is_notice=True),
}  # fmt: skip
