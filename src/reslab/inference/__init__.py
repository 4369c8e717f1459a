"""A trained net used: evaluated, asked for predictions, exported."""
