"""Stage 1 for one source: its prior from its own recordings alone, and its encoder if wanted."""

from asteroid_instglow.recipes.stage import read_stage
from asteroid_instglow.recipes.training import JOINT, train_source

if __name__ == "__main__":
    args, conf = read_stage(__doc__, "source")
    train_source(
        args.source,
        args.data,
        args.exp,
        conf["model"],
        conf["training"],
        conf["encoder_model"],
        conf["encoder_training"],
        others=conf["others"].get(args.source),
        progress=args.progress,
        init=args.exp / JOINT if conf["pretrain"]["n_steps"] else None,
    )
