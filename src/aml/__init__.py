"""Train, track and register models: on this machine, and on Azure Machine Learning, from the same job file."""
