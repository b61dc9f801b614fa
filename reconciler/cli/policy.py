from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.verb import verb, verbs

EXAMPLES = """
reconciler policy show
reconciler policy show -o jsonpath='{.profiles.restricted.mounts.bindRoots}'
"""


@verb("show", examples=EXAMPLES, outputs=TREES)
def show(context: Context) -> None:
    """Show which policy is in force, and all that its profiles say."""
    from reconciler.core.policy import TRUSTED_NAME
    from reconciler.core.unparse import to_yaml
    from reconciler.sources.policyfile import load

    policy = load(context.invocation.environ)
    profiles = {name: _tree(policy.profiles[name]) for name in sorted(policy.profiles)}
    tree = {"file": policy.path or None, "defaults": _tree(policy.defaults), "profiles": profiles}
    if show_tree(context, tree):
        return
    profiles[TRUSTED_NAME] = "everything is allowed"
    print(f"# {policy.path or 'no policy file; this is built in'}", file=context.stdout)
    context.stdout.write(to_yaml({"defaults": tree["defaults"], "profiles": profiles}))


def _tree(value: Any) -> Any:
    """With the defaults, which are what matters here."""
    from reconciler.kinds.base import camel

    match value:
        case _ if is_dataclass(value):
            return {camel(field.name): _tree(getattr(value, field.name)) for field in fields(value)}
        case Mapping():
            return {name: _tree(item) for name, item in value.items()}
        case tuple():
            return [_tree(item) for item in value]
        case _:
            return value


command = verbs("policy", "Show what specs may ask for.", examples=EXAMPLES, commands=[show])
