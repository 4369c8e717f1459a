"""All that speaks with Weights & Biases, and the only room that imports wandb."""
