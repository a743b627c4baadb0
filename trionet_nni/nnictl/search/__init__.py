"""The search beside NNI's manager: its stages, its trials, their failures."""
