"""Stage 3: writes what goes to the Hugging Face Hub, and sends it with --push true."""

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.recipes.publishing import publish
from asteroid_instglow.recipes.stage import read_stage

if __name__ == "__main__":
    args, conf = read_stage(__doc__, "--repo_id", "--push", "--private")
    separator = GenerativeSeparator.from_pretrained(args.exp / "best_model.pth")
    reference = publish(
        separator,
        args.exp,
        conf["publishing"],
        repo_id=args.repo_id or None,
        push=args.push == "true",
        private=args.private == "true",
    )
    where = f"published as {reference}" if reference else "nothing was sent (--push true sends it)"
    print(f"{args.exp / 'publish_dir'}: {where}")
