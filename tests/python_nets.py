"""Nets of one's own: the text of small files, as people write them."""

from pathlib import Path
from typing import Any

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8, num_classes=10, in_channels=3):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(1, width)
        self.fc = nn.Linear(width * 4, num_classes)

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.norm(self.conv(x)).relu(), 2)
        return self.fc(x.view(x.shape[0], -1))
"""
"""Of width w, on grey images with 10 classes: 9w + 2w + 40w + 10 parameters; on 8 × 8 pixels
64 · 9w + 40w multiply-adds."""


def net_file(folder: Path, text: str = NET, name: str = "my_nets.py") -> Path:
    """A file of nets in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def net(file: Path, entrypoint: str = "Net", **arguments: Any) -> dict[str, Any]:
    """As a run's tree says it."""
    return {"python": f"{file}:{entrypoint}", **({"arguments": arguments} if arguments else {})}
