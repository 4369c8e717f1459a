"""One LightningModule around any net, and everything between a `RunConfig` and its run folder."""
