"""The protocols, a module each: each has a `DOOR`, and needs to be named nowhere else."""

import importlib
import pkgutil

from orchestrator.gateway.dialect import Door


def doors() -> tuple[Door, ...]:
    """Every protocol there is."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    return tuple(module.DOOR for module in modules)
