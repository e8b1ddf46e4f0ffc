"""Stage 1, first part: what the encoders of several sources start from, learnt together."""

from asteroid_instglow.recipes.stage import read_stage
from asteroid_instglow.recipes.training import pretrain_sources

if __name__ == "__main__":
    args, conf = read_stage(__doc__)
    rate = conf["model"]["sample_rate"]
    pretrain_sources(
        args.data, args.exp, rate, conf["encoder_model"], conf["pretrain"], args.progress
    )
