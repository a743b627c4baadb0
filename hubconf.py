"""For `torch.hub.load(FOLDER_OR_REPOSITORY, "create_model", NAME, …)`."""

from trionet_nni.export.models import create_model, list_models

__all__ = ["create_model", "dependencies", "list_models"]

dependencies = ["torch", "numpy", "pydantic", "safetensors", "yaml"]
