"""Nets that shipped experiments describe without a name, and their golden costs."""

from reslab.config import ZOO, Foreign, config_names, input_size
from reslab.config.complexities import Net, alike, body_of, count, write_unnamed
from reslab.experiments.plan import Options, read_plan_file


def nets() -> list[Net]:
    """Those that no name's golden row tells, one for all that cost the same."""
    shipped = dict.fromkeys(
        (alike(config.model), input_size(config))
        for name in config_names("experiments")
        for variant in read_plan_file(name, Options(seeds=1)).variants
        for config in variant.configs
        if not isinstance(config.model, Foreign)
    )
    named = {body_of((entry.description, entry.image_size)) for entry in ZOO.values()}
    found: dict[Net, Net] = {}
    for net in shipped:
        if body_of(net) not in named:
            found.setdefault(body_of(net), net)
    return list(found.values())


def recount() -> str:
    """Renew the golden rows; returns what to tell the user."""
    shipped = nets()
    write_unnamed(dict(zip(shipped, count(shipped), strict=True)))
    return f"{len(shipped)} nets without a name counted"
