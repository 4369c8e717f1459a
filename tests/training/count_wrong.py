"""Evaluate somebody's ResNet-20 on CIFAR-10's test split, in as many processes as torchrun starts.

count_wrong.py WEIGHTS COUNTS.json
"""

import json
import sys
from pathlib import Path

from reslab.config.resolve import resolve
from reslab.data.modules import data_module
from reslab.execution import Execution
from reslab.models.nets import build
from reslab.store.owner import Claim
from reslab.training.classifier import Classifier
from reslab.training.group import leave_together
from reslab.training.run import make_trainer, quiet_lightning
from reslab.weights.files import read_weights
from reslab.weights.names import fit


def main(weights: Path, counts: Path) -> None:
    quiet_lightning()
    recipe = {"name": "he2015_cifar", "normalization": "imagenet", "batch_size": 120}
    config = resolve({"model": "resnet20", "data": "cifar10", "recipe": recipe}, "the test")
    net = fit(build(config.model), read_weights(weights).tensors)
    module = Classifier(net, config)
    trainer = make_trainer(config, Execution(), {}, Claim(counts.parent))
    trainer.callbacks.clear()  # they record a training
    trainer.validate(module, datamodule=data_module(config), verbose=False)
    score = module.test_tally.score()
    if trainer.is_global_zero:
        counts.write_text(json.dumps({"examples": score.examples, "wrong": score.wrong}))
    leave_together()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
