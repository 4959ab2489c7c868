"""Read model: the tables that projections fill, their checkpoints and generations, and the runner that fills them."""
