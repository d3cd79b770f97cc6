"""The files of serving: an endpoint, and a deployment of a model to it, online or batch.

Defaults are those of learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online and
reference-yaml-deployment-batch.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple, Self

from aml.errors import FileError, UserError
from aml.jobfile.description import Description, find_file
from aml.jobfile.document import Document
from aml.jobfile.names import RULES
from aml.uris import name_and_version


class ModelReference(NamedTuple):
    """The model that a file names; the version is None for the newest one."""

    name: str
    version: str | None

    @classmethod
    def parse(cls, text: str, what: str) -> Self:
        """The model that the option `what` names as NAME, NAME:VERSION or azureml:NAME:VERSION. Raises UserError."""
        name, mark, version = text.removeprefix("azureml:").partition(":")
        RULES["asset"].require(name, what)
        if mark and not re.fullmatch(r"[1-9][0-9]{0,9}", version):
            raise UserError(f"{what} {text}: the version should be a number, such as {name}:1")
        return cls(name, version or None)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else self.name


class RequestSettings(NamedTuple):
    """How requests are handed to the container of a deployment."""

    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1


class Probe(NamedTuple):
    """How the service asks whether a container is alive, or ready: all but the thresholds in seconds."""

    initial_delay: int = 10
    period: int = 10
    timeout: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30

    @property
    def budget(self) -> int:
        """The seconds that a container has from its start to its first good answer."""
        return self.initial_delay + self.period * self.failure_threshold


class BatchSettings(NamedTuple):
    """How a batch deployment hands files to its script, and where its rows go."""

    mini_batch_size: int = 10
    max_concurrency_per_instance: int = 1
    error_threshold: int = -1
    output_action: str = "append_row"
    output_file_name: str = "predictions.csv"


class Endpoint:
    """An endpoint: `document` says where each part of it stands."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data = document.data

    @property
    def is_batch(self) -> bool:
        """Whether it takes jobs instead of requests."""
        return "batch" in str(self.data.get("$schema", "")).lower() or "defaults" in self.data

    @property
    def name(self) -> str:
        """Its name. Raises UserError when it has none."""
        return _require_name(self.document, "name")

    @property
    def auth_mode(self) -> str:
        """How callers sign in: key, aml_token or aad_token."""
        return str(self.data.get("auth_mode") or ("aad_token" if self.is_batch else "key")).lower()

    @property
    def traffic(self) -> dict[str, Any]:
        """The percentage that each deployment gets, as the file says it."""
        value = self.data.get("traffic")
        return value if isinstance(value, dict) else {}


class Deployment(Description):
    """A deployment of a model. Raises UserError when a part of it is not what it should be."""

    instead = "name an image and a conda_file with what PyPI has"

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        sections = "code_configuration environment_variables request_settings liveness_probe readiness_probe"
        self.require_sections(*sections.split(), "settings", "resources", "tags", "properties")
        self.read_environment()

    @property
    def is_batch(self) -> bool:
        """Whether it scores the files of a job instead of answering requests."""
        if found := re.search(r"(batch|online)deployment", str(self.data.get("$schema", "")), re.IGNORECASE):
            return found[1].lower() == "batch"
        keys = {"settings", "compute", "mini_batch_size", "output_action", "error_threshold", "retry_settings"}
        return str(self.data.get("type")).lower() in ("model", "pipeline") or bool(keys & self.data.keys())

    @property
    def name(self) -> str:
        """Its name below the endpoint. Raises UserError when it has none."""
        return _require_name(self.document, "name")

    @property
    def endpoint_name(self) -> str:
        """The endpoint that it belongs to. Raises UserError when it names none."""
        return _require_name(self.document, "endpoint_name")

    @property
    def model(self) -> ModelReference | None:
        """The registered model that it serves, None where it names none. Raises UserError for anything else."""
        value = self.data.get("model")
        if value is None:
            return None
        # Without a version it is the newest (azure-ai-ml 1.35, _schema/core/fields.py, allow_default_version).
        if not isinstance(value, str) or not re.fullmatch(r"azureml:[^:@/]+(:[^:@/]+|@latest)?", value):
            fix = "write azureml:NAME:VERSION or azureml:NAME@latest of a registered model: aml register-model"
            shown = f"model {value}" if isinstance(value, str) else "model"
            raise FileError(self.where("model"), f"{shown} is no reference", fix)
        found = ModelReference(*name_and_version(value))
        RULES["asset"].require(found.name, "model", self.where("model"))  # it becomes a folder's
        return found

    @property
    def code(self) -> Path | None:
        """The folder of code that goes along. Raises UserError when it is not a folder of this machine."""
        return self.code_folder("code_configuration", "code")

    @property
    def scoring_script(self) -> Path:
        """The script with init() and run(). Raises UserError when it is not in the folder of code."""
        keys = ("code_configuration", "scoring_script")
        script, code = self.at(*keys), self.code
        if not isinstance(script, str) or code is None:
            missing = "scoring_script" if code else "code_configuration with code and scoring_script"
            raise FileError(self.where("code_configuration"), f"no {missing}", "add it")
        path = (code / script).resolve()
        if not path.is_file() or not path.is_relative_to(code):
            raise FileError(self.where(*keys), f"scoring_script {script} is not in {self.at(*keys[:1], 'code')}")
        return path

    @property
    def environment_variables(self) -> dict[str, str]:
        """The variables that the script finds."""
        return {str(key): str(value) for key, value in (self._setting("environment_variables") or {}).items()}

    @property
    def worker_count(self) -> int:
        """The processes of the inference server in each instance, its variable WORKER_COUNT."""
        value = self.environment_variables.get("WORKER_COUNT", "1")
        if not re.fullmatch(r"[1-9]\d{0,3}", value):
            place = self.where("environment_variables", "WORKER_COUNT")
            raise FileError(place, f"WORKER_COUNT {value}", "should be a whole number from 1")
        return int(value)

    @property
    def instance_type(self) -> str | None:
        """The VM size of its instances, None where the file names none."""
        value = self.data.get("instance_type")
        return None if value is None else str(value)

    @property
    def instance_count(self) -> int:
        """How many instances: the machines that are billed."""
        keys = ("resources", "instance_count") if self.is_batch else ("instance_count",)
        return self._whole(*keys, default=1)

    @property
    def request_settings(self) -> RequestSettings:
        """What the file says of requests, with the service's defaults."""
        return RequestSettings(**self._numbers("request_settings", RequestSettings))

    @property
    def liveness_probe(self) -> Probe:
        """What the file says of it, with the service's defaults."""
        return Probe(**self._numbers("liveness_probe", Probe))

    @property
    def readiness_probe(self) -> Probe:
        """What the file says of it, with the service's defaults."""
        return Probe(**self._numbers("readiness_probe", Probe))

    @property
    def batch_settings(self) -> BatchSettings:
        """What the file says of batches, below `settings` or, in the older form, beside them."""
        found: dict[str, Any] = BatchSettings()._asdict()
        for field, default in found.items():
            keys = ("settings", field) if "settings" in self.data else (field,)
            number = isinstance(default, int)
            found[field] = self._whole(*keys, default=default) if number else str(self.at(*keys) or default)
        return BatchSettings(**found)

    def _setting(self, name: str) -> Any:
        """What a batch deployment has below `settings`, and others at the top."""
        found = self.at("settings", name) if self.is_batch else None
        return found if isinstance(found, dict) else self.section(name)

    def _numbers(self, section: str, shape: Any) -> dict[str, int]:
        defaults: dict[str, int] = shape._field_defaults
        return {name: self._whole(section, name, default=default) for name, default in defaults.items()}

    def _whole(self, *keys: str, default: int) -> int:
        value = self.at(*keys)
        if value is None:
            return default
        try:  # as azure-ai-ml, which takes "60" and no truth value
            return int("true" if isinstance(value, bool) else value)
        except (TypeError, ValueError, OverflowError):
            raise FileError(self.where(*keys), f"{keys[-1]} {value}", "should be a whole number") from None


def _require_name(document: Document, key: str) -> str:
    value = document.data.get(key)
    if not isinstance(value, str) or not value:
        raise FileError(document.where(key), f"{key} {'' if value is None else value}".strip(), "should be a name")
    return value


def load(name: str, root: Path) -> Deployment:
    """The deployment that -c names, a file of aml_config/ without its ending or any path. Raises UserError."""
    return Deployment(Document(find_file(name, root, "deployment", "deployment", "endpoint_name")))


def load_endpoint(name: str, root: Path) -> Endpoint:
    """The endpoint of such a name or path, such as `endpoint` for aml_config/endpoint.yml. Raises UserError."""
    return Endpoint(Document(find_file(name, root, "endpoint", "endpoint", "auth_mode")))
