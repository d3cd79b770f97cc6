"""`aml register-datastore`: let the workspace know a blob container, by who you are: no key is stored."""

import argparse

from aml.azure.sdk import ml_client, translate_azure_errors
from aml.azure.workspace_client import connect
from aml.console import print_safely
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", required=True, help="name of the datastore: small letters, digits and _")
    parser.add_argument("--account", required=True, help="storage account")
    parser.add_argument("--container", required=True, help="blob container in it")
    parser.add_argument("--dry-run", action="store_true", help="print the requests that would be sent")


def run(args: argparse.Namespace) -> int:
    for rule in ("datastore", "account", "container"):
        RULES[rule].require(getattr(args, "name" if rule == "datastore" else rule), f"--{rule}")
    client = connect(find_root(args.start), args.dry_run)
    found = client.find(f"/datastores/{args.name}")
    given = (args.account, args.container)
    if found and (found["properties"].get("accountName"), found["properties"].get("containerName")) == given:
        state = "is there already"
    else:
        ml = ml_client(client)
        from azure.ai.ml.entities import AzureBlobDatastore

        with translate_azure_errors(client):
            ml.datastores.create_or_update(
                AzureBlobDatastore(name=args.name, account_name=args.account, container_name=args.container)
            )
        state = "changed" if found else "registered"
    if not client.dry_run:
        print_safely(f"datastore {args.name}: container {args.container} of {args.account} ({state})")
        print_safely(f"a path in data.yml: azureml://datastores/{args.name}/paths/FOLDER/")
    return 0
