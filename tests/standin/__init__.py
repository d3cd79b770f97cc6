"""A stand-in for Azure Machine Learning on loopback: test code that the unmodified SDK talks to over HTTPS.

The clients under test keep the public cloud's own addresses. A proxy variable leads `management.azure.com`,
`login.microsoftonline.com`, `*.api.azureml.ms`, `*.inference.ml.azure.com` and `*.blob.core.windows.net` to this
machine, where a certificate made at start answers for them; every other address passes through. So nothing in the SDK,
in azure-identity or in azureml-mlflow is replaced or told apart from the real thing.

    with StandIn() as service:
        subprocess.run([sys.executable, "script.py"], env=service.environment())

| module | what |
|---|---|
| server | sockets, proxy, the log of requests |
| wire | request, response, router |
| certificates | the authority and the certificate for the public names |
| login | tokens, the az command, managed identity |
| contract | bodies and names against the published contract |
| cloud | subscriptions, workspaces, who may do what |
| computes, datastores, assets | the resources of a workspace |
| registries | curated environments |
| jobs | jobs, executed for real |
| endpoints, containers | online endpoints; deployments, which really serve |
| batches | batch endpoints, deployments and their jobs, which really run |
| resources, operations | what both kinds of endpoints have in common; what is under way |
| runhistory, mlflow | what a run reports and what reads it |
| storage | Azurite, and the way to it |
| faults | faults by rule |
| fixtures | for pytest |
"""

from .server import StandIn

__all__ = ["StandIn"]
