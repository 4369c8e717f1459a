"""Ways to fit a trained net to other data: a net is rewritten, or part of it trains."""
