"""Stage 2: joins the priors to a separator, separates the test set and scores it."""

import torch

from asteroid_instglow.recipes.stage import read_stage
from asteroid_instglow.recipes.testing import assemble, evaluate

if __name__ == "__main__":
    args, conf = read_stage(__doc__)
    separator = assemble(args.exp, conf["evaluation"]["sources"], conf["separation"])
    separator.to("cuda" if torch.cuda.is_available() else "cpu")
    print(evaluate(separator, args.data, args.exp, **conf["evaluation"]).table())
