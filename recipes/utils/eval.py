"""Stage 2: joins the priors to a separator, separates the test set and scores it.

With --system another system takes their place, trained on the same data.
"""

import torch

from asteroid_instglow.recipes.stage import read_stage
from asteroid_instglow.recipes.testing import assemble, evaluate

if __name__ == "__main__":
    args, conf = read_stage(__doc__, "--system", "--options")
    sources = conf["evaluation"]["sources"]
    if args.system:
        # Here, because it is what loads Lightning.
        from asteroid_instglow.recipes.systems import train_system

        args.exp = args.exp / "systems" / args.system
        rate = conf["data"]["sample_rate"]
        separator = train_system(
            args.system, args.data, args.exp, sources, rate, args.options or "", args.progress
        )
    else:
        separator = assemble(args.exp, sources, conf["separation"])
    separator.to("cuda" if torch.cuda.is_available() else "cpu")
    print(
        evaluate(
            separator, args.data, args.exp, progress=args.progress, **conf["evaluation"]
        ).table()
    )
