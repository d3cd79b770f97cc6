"""Secrets in code: they become environment variables of the job."""

import re

import libcst as cst

from aml.adopt.convert.work import Work
from aml.adopt.private import VALUES, is_secret
from aml.adopt.python.syntax import expression, literal, quoted


def take_out(work: Work) -> None:
    work.part = "secret"
    for comment in work.tree.all(cst.Comment):
        if VALUES.search(comment.value):
            work.new[comment] = comment.with_changes(value="# (a secret was here)")
            work.note("changed", comment, "a secret in a comment is taken out: renew it, for it was readable")
    for node in work.tree.all(cst.SimpleString | cst.ConcatenatedString | cst.FormattedStringText):
        parent = work.tree.parents[node]
        if isinstance(parent, cst.ConcatenatedString):
            continue
        if isinstance(node, cst.FormattedStringText):
            if VALUES.search(node.value):
                work.note("blocked", node, 'a secret inside an f-string: take it from os.environ["NAME"], and renew it')
            continue
        value = node.evaluated_value
        text = value if isinstance(value, str) else value.decode("latin-1") if isinstance(value, bytes) else None
        name = _holder(work, node)
        if text is None or not is_secret(name, text):
            continue
        if isinstance(parent, cst.Expr):
            work.new[node] = quoted("(a secret was here)")
            work.note("changed", node, "a secret in a text is taken out: renew it, for it was readable")
            continue
        variable = re.sub(r"\W", "_", name).upper() or (
            "CONNECTION_STRING" if "=" in text and ";" in text else "SECRET"
        )
        work.new[node] = expression(f'os.environ["{variable}"]' + (".encode()" if isinstance(value, bytes) else ""))
        work.imports.append("import os")
        fix = f"set {variable} where the job runs, and renew the secret, for it was readable"
        work.note("decide", node, f'a secret in the code -> os.environ["{variable}"]: {fix}')


def _holder(work: Work, node: cst.CSTNode) -> str:
    """The name that a literal is given to: a variable, an attribute, a keyword, a key, an environment variable."""
    parent = work.tree.parents[node]
    if isinstance(parent, cst.Arg):
        if parent.keyword:
            return parent.keyword.value
        call = work.tree.parents[parent]
        first = literal(call.args[0].value) if isinstance(call, cst.Call) and call.args else None
        if (
            isinstance(call, cst.Call)
            and len(call.args) == 2
            and call.args[1] is parent
            and work.tree.qualified(call.func) in ("os.getenv", "os.environ.get", "os.environ.setdefault", "os.putenv")
        ):
            return first or ""
        return ""
    if isinstance(parent, cst.DictElement) and parent.value is node:
        return literal(parent.key) or ""
    target: cst.CSTNode | None = None
    if isinstance(parent, cst.Assign):
        target = parent.targets[0].target
    elif isinstance(parent, cst.AnnAssign):
        target = parent.target
    elif isinstance(parent, cst.Param) and parent.default is node:
        target = parent.name
    elif isinstance(parent, cst.Comparison):
        target = parent.left
    if isinstance(target, cst.Subscript) and isinstance(target.slice[0].slice, cst.Index):
        return literal(target.slice[0].slice.value) or ""
    if isinstance(target, cst.Attribute):
        return target.attr.value
    return target.value if isinstance(target, cst.Name) else ""
