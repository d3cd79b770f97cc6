import pickle

import click
from sklearn.model_selection import train_test_split

from credit_risk.data import ROOT, load
from credit_risk.model import build


@click.command()
@click.option("--c", default=1.0, help="Inverse of the penalty")
def main(c):
    """Train the model, and say how good it is."""
    table = load()
    y = table.pop("risk")
    x_train, x_test, y_train, y_test = train_test_split(table, y, random_state=0)
    model = build(c).fit(x_train, y_train)
    click.echo(f"accuracy {model.score(x_test, y_test):.3f}")
    target = ROOT / "artifacts"
    target.mkdir(exist_ok=True)
    with (target / "model.pkl").open("wb") as file:
        pickle.dump(model, file)


if __name__ == "__main__":
    main()
