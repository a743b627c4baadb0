"""A network as one file for other runtimes: ONNX, torch.export, safetensors."""
