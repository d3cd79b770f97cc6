from azureml.core import Dataset, Environment, Experiment, ScriptRunConfig, Workspace

ws = Workspace.from_config()
env = Environment.from_pip_requirements("credit", "requirements.txt")
data = Dataset.get_by_name(ws, "credit-risk")
config = ScriptRunConfig(
    source_directory="src",
    script="train.py",
    arguments=["--rate", 0.1, "--input", data.as_named_input("credit")],
    compute_target="cpu-cluster",
    environment=env,
)
run = Experiment(ws, "credit-risk").submit(config)
run.wait_for_completion(show_output=True)
run.register_model("credit-risk", model_path="outputs/credit.pkl")
