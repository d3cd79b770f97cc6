"""Which of the files that code saves is the model: what their names say decides, never their size or order."""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from aml.run import MODELS

ARRAYS = (".npy", ".npz")  # may be anything, so that only its name makes one a model
ANY = (".txt", ".json", "")  # may be anything, too
SAYS = re.compile(
    r"models?|best|final|clf|classif\w+|regr|regress\w+|estimators?|weights?|net|network|checkpoints?|ckpts?|pipe|pipeline"
    r"|booster|bst|forest"
)
# Of what stands beside a model: what prepares its data, what trained it, and what came of that.
OTHER = re.compile(
    r"scal\w+|standardi[sz]\w+|normali[sz]\w+|encod\w+|vectori[sz]\w+|tfidf|imput\w+|binari[sz]\w+|preproc\w*|processor"
    r"|tokeni[sz]\w+|vocab\w*|features?|labels?|classes|columns?|mappings?|pca|selector|optimi[sz]er|scheduler|params?"
    r"|history|scores?|metrics?|results?|predictions?|preds?|embeddings?|data|datasets?"
)


def may_be(path: str) -> bool:
    """Whether files of this kind hold models."""
    place = PurePosixPath(path)
    by_name = place.suffix.lower() in ANY and _any(SAYS, _words(place.stem))  # of LightGBM, XGBoost and people
    return bool(MODELS.fullmatch(path)) or place.suffix.lower() in ARRAYS or by_name


def evidence(path: str) -> int:
    """How far a path says that this is the model.

    3: the name of the file does, 2: that of its folder, 1: nothing does, 0: it is something else.
    """
    place = PurePosixPath(path)
    own, above = _words(place.name), _words(" ".join(place.parts[:-1]))
    if _any(OTHER, own):
        return 0
    if _any(SAYS, own):
        return 3
    if place.suffix.lower() in ARRAYS:
        return 0
    return 2 if _any(SAYS, above) else 1


def choose(left: Collection[str], known: str | None = None) -> str | None:
    """The model among the files that a run left, or the folder that holds all that may be it; None without any.

    `known`: what the code says, which counts unless something else is called a model and this is not.
    """
    found = {path: evidence(path) for path in left if may_be(path)}
    best = max(found.values(), default=0)
    if known and any(path.startswith(f"{known}/") for path in left):
        return known
    if known and known in left and evidence(known):
        if best < 3 or evidence(known) == 3:
            return known
        found[known] = best
    top = sorted(path for path, how in found.items() if how == best and best)
    if not top and len(left) == 1 and not PurePosixPath(*left).suffix:
        top = [*left]  # no table, picture or text has no ending
    return common(top) if top else None


def common(paths: Collection[str]) -> str:
    """The only one of these paths, or the folder that holds all of them."""
    first, *others = (PurePosixPath(path) for path in paths)
    above = [first, *first.parents]
    return next(one for one in above if all(other.is_relative_to(one) for other in others)).as_posix()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def _any(pattern: "re.Pattern[str]", words: Collection[str]) -> bool:
    return any(map(pattern.fullmatch, words))
