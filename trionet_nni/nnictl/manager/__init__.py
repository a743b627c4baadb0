"""NNI's manager: its REST interface and its portal."""
