"""An experiment file and an experiment's folder, each opened in one place."""
