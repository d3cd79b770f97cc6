"""The program that runs in a serving environment: Microsoft's inference server, on this machine alone.

    python inference_server.py serve PORT WORKERS
    python inference_server.py ask REQUESTS ANSWERS    # two JSON files: the server's test client asks, without a port

The server takes the scoring script, the model and its other settings from the variables of its environment. By itself
it listens on all addresses, with no option for another one (azureml-inference-server-http 1.5.1, constants.py): so
functions of it are called here that are not documented. The tests pin them.
"""

import json
import sys
import time
from pathlib import Path

HOST = "127.0.0.1"


def serve(port: int, workers: int) -> None:
    """Answer requests until the process is ended."""
    if sys.platform == "win32":
        import waitress
        from azureml_inference_server_http.server.entry import app

        waitress.serve(app, host=HOST, port=port, threads=workers)
    else:
        from azureml_inference_server_http import amlserver_linux

        amlserver_linux.run(HOST, port, workers)


def ask(requests: Path, answers: Path) -> None:
    """Write the answer to each request: {"ready": TIME, "answers": [{"status": …, "body": …, "seconds": …}, …]}."""
    from azureml_inference_server_http.server import create_app

    client = create_app.create().test_client()
    ready, found = time.time(), []
    for request in json.loads(requests.read_text(encoding="utf-8")):
        start = time.perf_counter()
        answer = client.open(
            request["path"],
            method=request["method"],
            data=request["body"].encode("utf-8", "surrogatepass"),
            content_type="application/json",
        )
        seconds = time.perf_counter() - start
        body = answer.get_data().decode("utf-8", "replace")
        found.append({"status": answer.status_code, "body": body, "seconds": seconds})
    answers.write_text(json.dumps({"ready": ready, "answers": found}), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), int(sys.argv[3]))
    else:
        ask(Path(sys.argv[2]), Path(sys.argv[3]))
