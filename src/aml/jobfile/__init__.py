"""The files of a model repository: job files, YAML with line numbers, names, conda files, settings, what travels."""
