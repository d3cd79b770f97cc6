"""`aml invoke`: send a request to the endpoint of this repository, or start its batch job."""

import argparse
from pathlib import Path

from aml.azure import batch, endpoints
from aml.azure.workspace_client import connect
from aml.console import display_path, print_safely, say
from aml.errors import UserError
from aml.jobfile import deployment as files
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root

REQUEST = Path("sample-data", "request.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", nargs="?", type=Path, metavar="FILE",
                        help=f"the request, JSON (default: {REQUEST.as_posix()})")  # fmt: skip
    parser.add_argument("-c", "--deployment", dest="file", default="deployment", metavar="NAME",
                        help="file in aml_config/ that names the endpoint (default: deployment)")  # fmt: skip
    parser.add_argument("--data", metavar="PATH|URI", help="with -c of a batch deployment: a file or folder of this "
                        "machine, azureml:NAME:VERSION, or an address")  # fmt: skip
    parser.add_argument("-d", "--deployment-name", metavar="NAME", help="ask this deployment, even without traffic")


def read_request(path: Path) -> str:
    """The request in a file. Raises UserError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{display_path(path)}: not UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{display_path(path)}: no request ({error.strerror}): name a file of JSON") from error


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    file = files.load(args.file, root)
    name = file.endpoint_name
    if file.is_batch:
        if not args.data or args.request or args.deployment_name:
            raise UserError(f"{file.document.name} is for batches: aml invoke -c {args.file} --data PATH")
        status, rows = batch.run(root, connect(root), file, args.data)
        print_safely("\n".join(map(display_path, rows)))
        return status
    if args.data:
        raise UserError(f"--data is for batches, and {file.document.name} is not: aml invoke FILE")
    if args.deployment_name:
        RULES["asset"].require(args.deployment_name, "-d")
    body = read_request(args.request or root / REQUEST)
    client = connect(root)
    endpoint = endpoints.require(client, name)
    answer = endpoints.invoke(client, endpoint, body, args.deployment_name)
    if answer.status != 200:
        raise endpoints.explain(endpoint, answer, args.deployment_name)
    print_safely(answer.body.rstrip("\n"))
    say(f"endpoint {name}, deployment {answer.deployment}, {answer.seconds:.2f} s")
    return 0
