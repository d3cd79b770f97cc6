"""`aml deploy`: a registered model on an endpoint, the way back, and the end of it."""

import argparse
import json
import tempfile
from pathlib import Path

from aml.azure import batch, deploy, endpoints, models, traffic
from aml.azure.workspace_client import WorkspaceClient, connect
from aml.checks.finding import require_none
from aml.checks.serving import check_deployment, check_endpoint
from aml.cli import verdicts
from aml.cli.invoke import REQUEST, read_request
from aml.console import display_path, print_safely, say
from aml.errors import FileError, UserError
from aml.jobfile import deployment as files
from aml.jobfile.deployment import ModelReference
from aml.jobfile.document import Document
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root
from aml.local import serving


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--deployment", dest="file", default="deployment", metavar="NAME",
                        help="file in aml_config/, or any path (default: deployment)")  # fmt: skip
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME[:VERSION]", help="registered model (default: that of the file)")
    which.add_argument("-f", "--model-file", type=Path, metavar="FILE",
                       help="the model of which aml register-model --report wrote to this file")  # fmt: skip
    parser.add_argument("--traffic", type=_percent, default=100, metavar="N",
                        help="percentage of requests that it gets once it has been tried (default: 100)")  # fmt: skip
    parser.add_argument("--request", type=Path, metavar="FILE",
                        help=f"request to try it with (default: {REQUEST.as_posix()})")  # fmt: skip
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--rollback", action="store_true", help="give the requests back to the deployment before")
    other.add_argument("--delete", metavar="DEPLOYMENT|ENDPOINT", help="delete the deployment, or the whole endpoint")
    parser.add_argument("--dry-run", action="store_true", help="print the requests that would be sent")


def _percent(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number from 0 to 100")
    return int(text)


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    if args.model_file:
        args.model = verdicts.read_model(args.model_file)
    file = files.load(args.file, root)
    name = file.endpoint_name
    if args.delete:
        RULES["asset"].require(args.delete, "--delete")
    client = connect(root, args.dry_run)
    if args.delete:
        _tell(client, deploy.delete(client, name, args.delete, batch=file.is_batch))
        return 0
    if file.is_batch:
        return _deploy_batch(root, client, file, args)
    if args.rollback:
        back = traffic.rollback(client, name)
        _tell(client, f"endpoint {name}: requests go to {traffic.text(back)} again")
        return 0
    endpoint = _require_endpoint(file)
    require_none(file.document.name, [*check_deployment(file, root), *check_endpoint(endpoint.document)])
    request = read_request(args.request or root / REQUEST)
    model = deploy.find_model(client, file, _model(args))
    wanted = deploy.Wanted(file, endpoint, model, request)
    try:
        made = deploy.deploy(client, wanted, args.traffic, lambda: _answer_here(client, wanted))
    except KeyboardInterrupt:
        say("what was begun in Azure goes on: the same command goes on with it; aml endpoints shows what is billed")
        raise
    gets = f"{args.traffic} % of the" if args.traffic else "no"
    _tell(client, f"endpoint {name}: deployment {made} gets {gets} requests")
    return 0


def _deploy_batch(root: Path, client: WorkspaceClient, file: files.Deployment, args: argparse.Namespace) -> int:
    if args.rollback or args.traffic != 100 or args.request:
        raise UserError(f"{file.document.name}: a batch endpoint has no traffic: deploy the model before with --model")
    endpoint = _endpoint(file)
    findings = [*check_deployment(file, root), *(check_endpoint(endpoint.document) if endpoint else [])]
    require_none(file.document.name, findings)
    model = deploy.find_model(client, file, _model(args))
    made = batch.make(client, file, endpoint, model)
    _tell(client, f"batch endpoint {file.endpoint_name}: its jobs use deployment {made}")
    return 0


def _tell(client: WorkspaceClient, done: str) -> None:
    if not client.dry_run:
        print_safely(done)


def _model(args: argparse.Namespace) -> ModelReference | None:
    """The model that --model names."""
    return ModelReference.parse(args.model, "--model") if args.model else None


def _require_endpoint(file: files.Deployment) -> files.Endpoint:
    """The file of the endpoint that a deployment belongs to. Raises UserError when there is none beside it."""
    if (endpoint := _endpoint(file)) is None:
        where, folder = file.where("endpoint_name"), display_path(file.folder)
        problem = f"no file in {folder} describes endpoint {file.endpoint_name}"
        raise FileError(where, problem, "name it as endpoint.yml does")
    return endpoint


def _endpoint(file: files.Deployment) -> files.Endpoint | None:
    """The file beside the deployment's that describes its endpoint, or None."""
    for path in sorted(file.folder.glob("*.y*ml")):
        if b"\nauth_mode:" in b"\n" + path.read_bytes():
            endpoint = files.Endpoint(Document(path))
            if endpoint.name == file.endpoint_name and endpoint.is_batch == file.is_batch:
                return endpoint
    return None


def _answer_here(client: WorkspaceClient, wanted: deploy.Wanted) -> object:
    """What the model of the workspace answers on this machine. Raises UserError unless it is a prediction."""
    say("asking the model on this machine first")
    with tempfile.TemporaryDirectory(prefix="aml-model-") as folder:
        model = models.download(client, wanted.model.name, str(wanted.model.version), Path(folder))
        if client.dry_run:
            return None
        here = serving.answer(wanted.file, model, wanted.request)
    if here.status != 200:
        why = endpoints.reason_in(here.body)
        raise UserError(f"model {wanted.model} answers {here.status} here, and nothing was deployed: {why}")
    return json.loads(here.body)
