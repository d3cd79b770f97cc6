"""Azure Machine Learning: the workspace, its data, models, clusters and runs."""
