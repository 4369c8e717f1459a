"""Nets as plain `nn.Module`s, residual ones built from an algebra. Torch and descriptions only."""
