"""Continuous training: the workflow of a repository, in GitHub Actions or in Azure Pipelines."""
