"""What ships: names of experiments and recipes, and the plans, each read once for all tests.

Files that a user adds to configs/ are in no list: they are validated (test_experiments.py,
test_recipes.py), and nothing more is asked of them.
"""

from functools import cache

import pytest

from reslab.config import costs
from reslab.config.costs import Complexity
from reslab.experiments.plan import read_plan_file
from reslab.store.plan import Options, Plan

EXPERIMENTS = (
    "activation_orders",
    "article_finetune",
    "adapters",
    "augmentation",
    "batch_size_and_seeds",
    "cardinality",
    "densenet",
    "densenet_imagenet",
    "finetune_digits",
    "distillation",
    "distillation_cifar10",
    "distillation_digits",
    "finetune_methods",
    "finetune_photographs",
    "from_zero",
    "identity_mappings",
    "imagenet_depth",
    "imagenet_plain_vs_residual",
    "imagenette",
    "light_nets",
    "loss_landscape_nets",
    "mnist",
    "mnist_article",
    "no_normalization",
    "no_normalization_imagenet",
    "optimizer_and_schedule",
    "plain_vs_residual",
    "preact_depth",
    "preact_imagenet",
    "pruning",
    "quickstart",
    "residual_unit_details",
    "resnet_tweaks",
    "resnext_cifar",
    "resnext_imagenet",
    "resnext_shortcuts",
    "self_supervised",
    "shortcut_options",
    "speedrun",
    "speedrun_mnist",
    "squeeze_excitation",
    "squeeze_excitation_imagenet",
    "stochastic_depth",
    "stochastic_depth_imagenet",
    "torchvision_resnets",
    "transfer_cifar",
    "wide",
    "wide_depth_and_width",
    "wide_imagenet",
    "wide_units",
)
"""In configs/experiments; docs/experiments.md lists the same."""

RECIPES = (
    "article_finetune",
    "bachlechner2020_cifar",
    "de2020_cifar",
    "digits",
    "finetune",
    "finetune_32",
    "finetune_cifar",
    "finetune_head",
    "finetune_mnist",
    "he2015_cifar",
    "he2015_imagenet",
    "he2016_cifar",
    "he2016_imagenet",
    "he2016_readme",
    "he2019_imagenet",
    "hu2018_ablation",
    "hu2018_imagenet",
    "huang2016_cifar",
    "huang2017_cifar",
    "huang2017_imagenet",
    "hysts_cifar",
    "imagenette",
    "li2017_retrain",
    "li2018_cifar",
    "linear_probe",
    "liu2019_cifar",
    "liu2019_retrain",
    "mnist",
    "mnist_article",
    "page2018_cifar",
    "rebuffi2018",
    "simsiam_cifar",
    "simsiam_photographs",
    "speedrun_mnist",
    "tian2020_cifar",
    "torchvision_v1",
    "xie2017_cifar",
    "xie2017_imagenet",
    "zagoruyko2016_cifar",
    "zhang2019_cifar",
    "zhang2019_imagenet",
)
"""In configs/recipes; some experiment uses each."""


@cache
def plan(name: str) -> Plan:
    """An experiment's, with one seed."""
    return planned(name, Options(seeds=1))


def planned(name: str, options: Options | None = None) -> Plan:
    """The plan of a file; nets of other libraries are not counted, which takes a process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            costs, "counted_by_torch", lambda nets: [Complexity(1000, 2000)] * len(nets)
        )
        return read_plan_file(name, options or Options())
