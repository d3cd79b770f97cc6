"""Which expressions of a module are data frames, or columns of them: pandas made them, as far as the module shows."""

from collections.abc import Callable

import libcst as cst

from aml.adopt.python.syntax import Tree

# What a data frame has beside its columns, as attributes.
NO_COLUMNS = (
    "T",
    "at",
    "attrs",
    "axes",
    "columns",
    "dtypes",
    "iat",
    "index",
    "plot",
    "shape",
    "size",
    "style",
    "values",
)
FRAMES = ("DataFrame", "Series", "concat", "crosstab", "get_dummies", "json_normalize", "melt", "merge", "pivot_table")
SAME = set(
    "abs agg all any apply assign astype bfill clip copy corr describe diff drop drop_duplicates dropna eq ffill fillna"
    " filter groupby head interpolate isin isna isnull items join map mask melt merge notnull notna nlargest pivot"
    " pivot_table query rank reindex rename replace reset_index round sample select_dtypes set_index shift sort_index"
    " sort_values tail transform transpose value_counts where append as_matrix mean sum size count".split()
)


class Frames:
    """The data frames of a module; `meant` gives the full name of what is imported."""

    def __init__(self, tree: Tree, meant: Callable[[cst.CSTNode], str]) -> None:
        self.tree, self.meant = tree, meant

    def has(self, node: cst.BaseExpression, depth: int = 8) -> bool:
        if not depth:
            return False
        if isinstance(node, cst.Name):
            key = self.tree.key(node)
            values = self.tree.bindings.get(key, []) if key else []
            return any(value is not None and value is not node and self.has(value, depth - 1) for value in values)
        if isinstance(node, cst.Call):
            if name := self.meant(node.func):
                return name.startswith("pandas.") and (name.startswith("pandas.read_") or name.split(".")[-1] in FRAMES)
            func = node.func
            return isinstance(func, cst.Attribute) and func.attr.value in SAME and self.has(func.value, depth - 1)
        if isinstance(node, cst.Subscript):
            return self.has(node.value, depth - 1)
        if isinstance(node, cst.Attribute):
            named = node.attr.value in ("loc", "iloc", "ix", "T") or node.attr.value not in NO_COLUMNS
            return named and not self.tree.qualified(node) and self.has(node.value, depth - 1)
        return False
