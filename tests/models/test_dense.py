"""Dense nets read all that was computed before: Huang et al. 2017 (arXiv 1608.06993)."""

import torch

from reslab.config.zoo import describe
from reslab.models.nets import build


def test_a_layer_puts_what_it_adds_behind_all_that_it_has_read() -> None:
    """Sec. 3: x_l = H_l([x_0, …, x_(l−1)]), of k = 12 channels each."""
    torch.manual_seed(0)
    block = build(describe("densenet_40_12")).block1.eval()
    x = torch.randn(2, 16, 8, 8)
    for layer in block:
        read, x = x, layer(x)
        assert x.shape[1] == read.shape[1] + 12
        assert torch.equal(x[:, : read.shape[1]], read)
    assert len(block) == 12


def test_densenet_121s_blocks_and_transitions_have_the_sizes_of_table_1() -> None:
    """Blocks of 6, 12, 24, 16 layers with k = 32; transitions halve the channels and the side."""
    sizes: dict[str, tuple[int, int]] = {}
    with torch.device("meta"):
        net = build("densenet121")
        for name, child in net.named_children():
            if name.startswith(("block", "transition")):
                child.register_forward_hook(
                    lambda _, __, x, name=name: sizes.update({name: tuple(x.shape[1:3])})
                )
        net(torch.empty(1, 3, 224, 224))
    assert sizes == {
        "block1": (64 + 6 * 32, 56), "transition1": (128, 28),
        "block2": (128 + 12 * 32, 28), "transition2": (256, 14),
        "block3": (256 + 24 * 32, 14), "transition3": (512, 7),
        "block4": (512 + 16 * 32, 7),
    }  # fmt: skip
