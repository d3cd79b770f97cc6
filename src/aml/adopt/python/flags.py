"""Options that a script declares with click, typer, fire and absl: parameters of a function, and FLAGS.name.

https://click.palletsprojects.com/en/stable/options/, https://typer.tiangolo.com/tutorial/,
https://google.github.io/python-fire/guide/, https://abseil.io/docs/python/guides/flags
"""

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from aml.adopt.python.syntax import Key, Tree, keyword, literal, method_of


@dataclass(frozen=True)
class Option:
    """An option of the command line that the source has."""

    call: cst.CSTNode  # what declares it
    flag: str  # "" for a positional argument
    dest: str
    default: cst.BaseExpression | None
    type: str
    names: tuple[str, ...] = ()  # its flags, such as ("-o", "--output"); the name of a positional argument
    takes_value: bool = True
    required: bool = False
    many: bool = False  # a positional argument of several words


def parameters(tree: Tree) -> Iterator[tuple[Key, Option]]:
    """The parameters that the command line fills, with their options."""
    commands = _commands(tree)
    for function in tree.all(cst.FunctionDef):
        made = [one.decorator for one in function.decorators if isinstance(one.decorator, cst.Call)]
        names = {tree.qualified(one.func) for one in made}
        params = [*function.params.posonly_params, *function.params.params, *function.params.kwonly_params]
        for param in params:
            option: Option | None = None
            if names & {"click.option", "click.argument"}:
                option = next((found for one in made if (found := _click(tree, one, param.name.value))), None)
            elif kind := commands.get(function.name.value) or ("typer" if _is_typer(tree, function) else ""):
                option = _plain(tree, param, kind)
            if option and (key := tree.key(param.name)):
                yield key, option


def _commands(tree: Tree) -> dict[str, str]:
    """The functions that typer.run and fire.Fire make commands of."""
    found: dict[str, str] = {}
    for call in tree.all(cst.Call):
        name = tree.qualified(call.func)
        given = call.args[0].value if call.args else None
        if name in ("typer.run", "fire.Fire") and isinstance(given, cst.Name):
            found[given.value] = name.partition(".")[0]
    return found


def _is_typer(tree: Tree, function: cst.FunctionDef) -> bool:
    """Whether a function is a command of a typer.Typer()."""
    for one in function.decorators:
        call = one.decorator
        if not (isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)):
            continue
        owner = call.func.value
        key = tree.key(owner) if isinstance(owner, cst.Name) else None
        values = tree.bindings.get(key, []) if key else []
        if method_of(call) in ("command", "callback") and any(
            isinstance(value, cst.Call) and tree.qualified(value.func) == "typer.Typer" for value in values
        ):
            return True
    return False


def _is(node: cst.CSTNode | None, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name


def _click(tree: Tree, call: cst.Call, name: str) -> Option | None:
    """The option or argument of click that fills a parameter of this name."""
    kind = tree.qualified(call.func)
    if kind not in ("click.option", "click.argument"):
        return None
    texts = [text for arg in call.args if not arg.keyword and (text := literal(arg.value))]
    flags = tuple(text for text in (part.strip() for one in texts for part in one.split("/")) if text[:1] == "-")
    own = next((text for text in texts if text[:1] != "-"), "")
    long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    if (own or long.lstrip("-").replace("-", "_").lower()) != name:
        return None
    default = keyword(call, "default")
    required, many = keyword(call, "required"), keyword(call, "nargs")
    value = default.value if default and not _is(default.value, "None") else None
    needed = _is(required.value, "True") if required else kind == "click.argument" and value is None and many is None
    types = keyword(call, "type")
    path = types is not None and "path_type" in tree.code(types)
    flag = any(keyword(call, word) for word in ("is_flag", "count", "flag_value")) or any("/" in one for one in texts)
    names = flags or (name,)
    return Option(call, long, name, value, "Path" if path else "", names, not flag, needed, many is not None)


def _plain(tree: Tree, param: cst.Param, kind: str) -> Option | None:
    """The option that typer or fire make of a parameter."""
    name, default = param.name.value, param.default
    annotation = param.annotation.annotation if param.annotation else None
    said: cst.CSTNode | None = default
    if isinstance(annotation, cst.Subscript) and tree.code(annotation.value).endswith("Annotated"):
        parts = [one.slice.value for one in annotation.slice if isinstance(one.slice, cst.Index)]
        said = next((one for one in parts[1:] if isinstance(one, cst.Call)), default)
        annotation = parts[0] if parts else None
    info = said if isinstance(said, cst.Call) and tree.qualified(said.func).startswith("typer.") else None
    names: list[str] = []
    positional = kind == "typer" and default is None
    if info is not None:
        positional = tree.qualified(info.func) == "typer.Argument"
        plain = [arg.value for arg in info.args if not arg.keyword]
        names = [text for one in plain if (text := literal(one)) and text.startswith("-")]
        if said is default:
            default = next((arg.value for arg in info.args if arg.keyword and arg.keyword.value == "default"), None)
            default = default or (plain[0] if plain and plain[0] not in names else None)
    nothing = default is None or isinstance(default, cst.Ellipsis)
    flag = "" if positional else next((one for one in names if one.startswith("--")), "")
    flag = flag or ("" if positional else "--" + (name if kind == "fire" else name.replace("_", "-")))
    value = None if nothing or _is(default, "None") else default
    alone = kind == "typer" and (_is(annotation, "bool") or _is(default, "True") or _is(default, "False"))
    path = annotation is not None and tree.code(annotation).split(".")[-1] == "Path"
    return Option(param, flag, name, value, "Path" if path else "", (*names,) or (flag or name,), not alone, nothing)


def absl(tree: Tree) -> dict[str, Option]:
    """The flags that absl defines, by their names."""
    found: dict[str, Option] = {}
    calls = [call for call in tree.all(cst.Call) if tree.qualified(call.func).startswith("absl.flags.")]
    marked = {
        text
        for call in calls
        if "mark_flag" in method_of(call)
        for arg in call.args
        for text in [literal(arg.value), *(literal(one.value) for one in getattr(arg.value, "elements", ()))]
        if text
    }
    for call in calls:
        name = literal(call.args[0].value) if call.args and method_of(call).startswith("DEFINE_") else None
        if name:
            given = [arg.value for arg in call.args if not arg.keyword]
            default = given[1] if len(given) > 1 else getattr(keyword(call, "default"), "value", None)
            value = None if _is(default, "None") else default
            alone = method_of(call) in ("DEFINE_bool", "DEFINE_boolean")
            flag = f"--{name}"
            found[name] = Option(call, flag, name, value, "", (flag,), not alone, value is None and name in marked)
    return found


def is_absl(tree: Tree, node: cst.Attribute) -> bool:
    """Whether an attribute is one of FLAGS."""
    owner = node.value
    key = tree.key(owner) if isinstance(owner, cst.Name) else None
    values = tree.bindings.get(key, []) if key else []
    return tree.qualified(owner) == "absl.flags.FLAGS" or any(
        value is not None and tree.qualified(value) == "absl.flags.FLAGS" for value in values
    )
