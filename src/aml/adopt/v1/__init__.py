"""What is left of azureml-core: delete this folder the day that nobody needs it."""
