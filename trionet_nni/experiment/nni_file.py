"""NNI's own part of an experiment file, checked before NNI reads it.

NNI says what it does not like in a traceback, after seconds, and some things not at all: a wrong className
is a portal with an error, a job for a card that is not there waits for ever. Only what experiments here
need is described; the fields of other training services than the local one are left to NNI.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import reason
from trionet_nni.settings.section import Section, refused

_Duration = Annotated[str, Field(pattern=r"^\d+(\.\d+)?[smhd]$")] | Annotated[int, Field(ge=1)] | None
_Cards = list[int] | int | str | None


class _Fields(Section):
    # NNI looks at types with care: the text "2" is no number for it.
    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _as_nni_reads_names(cls, data: Any) -> Any:
        """NNI takes trial_concurrency and TRIALCONCURRENCY for trialConcurrency."""
        if not isinstance(data, dict):
            return data
        known = {name.replace("_", ""): to_camel(name) for name in cls.model_fields}
        plain = {key: str(key).lower().replace("_", "") for key in data}
        counts = Counter(plain.values())
        twice = [key for key, name in plain.items() if counts[name] > 1]
        if twice:
            raise ValueError(f"each field once, not {' and '.join(map(str, twice))[:80]}")
        return {known.get(name, key): data[key] for key, name in plain.items()}


class _Tuner(_Fields):
    class_name: Literal["trionet_nni.nnictl.advisor.TrioNetAdvisor"]
    code_directory: str
    class_args: dict[str, Any]  # see `trionet_nni.settings.project`


class _Local(_Fields):
    platform: Literal["local"]
    use_active_gpu: bool | None = None
    max_trial_number_per_gpu: int = Field(1, ge=1)
    gpu_indices: _Cards = None
    reuse_mode: bool = False
    trial_command: str | None = None
    trial_code_directory: str | None = None
    trial_gpu_number: int | None = Field(None, ge=0)
    nni_manager_ip: str | None = None
    debug: bool = False


class _File(_Fields):
    experiment_name: str | None = None
    experiment_type: Literal["hpo"] = "hpo"
    search_space: dict[str, Any] | None = None
    search_space_file: str | None = None
    trial_command: str = Field(min_length=1)
    trial_code_directory: str = "."
    trial_concurrency: int = Field(ge=1, le=10_000)
    trial_gpu_number: int | None = Field(None, ge=0)
    max_experiment_duration: _Duration = None
    max_trial_number: int | None = Field(None, ge=1, le=10**9)
    max_trial_duration: _Duration = None
    nni_manager_ip: str | None = None
    use_annotation: Literal[False] = False
    debug: bool = False
    log_level: Literal["fatal", "error", "warning", "info", "debug", "trace"] | None = None
    experiment_working_directory: str | None = None
    tuner_gpu_indices: _Cards = None
    tuner: _Tuner
    assessor: None = None  # it would stop the supernet
    training_service: dict[str, Any] | list[dict[str, Any]]
    shared_storage: dict[str, Any] | None = None


# Names at the top of an experiment file.
NNI_FIELDS = frozenset(to_camel(name) for name in _File.model_fields)


def check_nni(path: Path, settings: dict[str, Any]) -> None:
    """Look at NNI's fields of an experiment file.

    Raises:
        InputError: the first that is wrong; one line that begins with the file's name.
    """
    file = _read(_File, settings, str(path))
    for field, folder in (
        ("trialCodeDirectory", file.trial_code_directory),
        ("tuner.codeDirectory", file.tuner.code_directory),
    ):
        if not beside(path, folder, path.parent).is_dir():
            raise InputError(f"{path}: {field}: found {shown(folder)}, allowed: a folder that is there")
    _check_service(path, file)


def _check_service(path: Path, file: _File) -> None:
    service = file.training_service
    if not isinstance(service, dict) or service.get("platform") not in (None, "local"):
        return
    local = _read(_Local, service, f"{path}: trainingService")
    cards = local.trial_gpu_number or file.trial_gpu_number
    if cards and local.use_active_gpu is None:
        allowed = "true or false with trialGpuNumber"
        raise InputError(f"{path}: trainingService.useActiveGpu: found nothing, allowed: {allowed}")
    if not cards and local.max_trial_number_per_gpu != 1:
        where = f"{path}: trainingService.maxTrialNumberPerGpu"
        found = local.max_trial_number_per_gpu
        raise InputError(f"{where}: found {found}, allowed: 1 without trialGpuNumber")


def _read(kind: Any, data: Any, source: str) -> Any:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise refused(error, source, kind) from None


def beside(path: Path, given: object, default: Path) -> Path:
    """A path of an experiment file: relative ones start at the file's folder, as NNI has it.

    Raises:
        InputError: it can be no path.
    """
    try:
        found = (path.parent / Path(given).expanduser() if isinstance(given, str) else default).resolve()
        found.exists()
    except (ValueError, RuntimeError, OSError) as error:  # a NUL; an unknown ~user; a name too long
        raise InputError(f"{path}: found {shown(given)} ({reason(error)}), allowed: a folder") from None
    return found
