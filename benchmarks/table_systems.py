"""Configures the systems of the table for a budget, trains and loads them."""

import functools
import shutil
import time
from contextlib import contextmanager

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.baselines import SYSTEMS, load_baseline, system_class
from asteroid_instglow.baselines.training import train_baseline
from asteroid_instglow.training.encoder import train_encoder
from asteroid_instglow.training.initial import take_encoder
from asteroid_instglow.training.joint import pretrain_encoders
from asteroid_instglow.training.prior import train_prior

OURS, PUBLISHED = "instglow", "instglow-paper"
NAMES = (*SYSTEMS, PUBLISHED, OURS)
# On a GPU the systems have their authors' size, on a CPU one that trains in half an hour. "model"
# holds arguments of the class, the rest are arguments of train_baseline.
CPU = {
    "nmf": {"n_steps": 100},
    "gan": {
        "model": {"width": 8, "n_frames": 64, "overlap_frames": 8, "n_iter": 200},
        **{"batch_size": 8, "lr": 2e-4},
    },
    "conv-tasnet": {
        "model": {
            **{"n_filters": 128, "kernel_size": 40, "stride": 20, "bn_chan": 64, "hid_chan": 128},
            **{"skip_chan": 64, "n_blocks": 8, "n_repeats": 2},
        },
        **{"batch_size": 3, "segment": 2.0, "lr": 2e-3},
    },
    "open-unmix": {"model": {"hidden_size": 256}, "batch_size": 8, "segment": 3.0, "lr": 3e-3},
    "demucs": {
        "model": {"channels": 16, "depth": 5, "lstm_layers": 1, "shifts": 4},
        **{"batch_size": 4, "segment": 1.5, "lr": 1e-3},
    },
    "wave-u-net": {
        "model": {"depth": 9, "width": 12},
        **{"batch_size": 4, "segment": 2.0, "lr": 1e-3},
    },
    PUBLISHED: {"flow": {}, "training": {}, "n_iter": 120},
    OURS: {
        **{"flow": {"n_blocks": 8, "hidden": 64}, "encoder": {"width": 256}},
        **{"training": {"lr": 5e-4, "ema": 0.99, "keep": "last"}, "shares": (0.1, 0.9, 0.0)},
    },
}
GPU = {
    "nmf": {"n_steps": 200},
    "gan": {"model": {"width": 32}},
    "conv-tasnet": {"batch_size": 8, "segment": 4.0, "lr": 1e-3},
    "open-unmix": {},
    "demucs": {"batch_size": 32, "segment": 6.0},
    "wave-u-net": {"batch_size": 16, "segment": 6.0, "lr": 5e-4},
    PUBLISHED: {"flow": {}, "training": {"batch_size": 32}, "n_iter": 150},
    OURS: {
        **{"flow": {"n_blocks": 8, "hidden": 64}, "encoder": {"width": 512}},
        **{"training": {"lr": 5e-4, "ema": 0.99, "keep": "last"}, "shares": (0.1, 0.9, 0.0)},
    },
}
ENCODER_LR = 7e-3  # of an encoder that starts from the joint one
TRIAL = (6, 24)  # steps to measure the time of one; multiples of the GAN's turns


class Budget:
    """Measures and limits training time: CPU time, or wall-clock time on a GPU.

    Args:
        minutes (float): Training time of one system, all sources together.
        device (str): "cpu" or "cuda".
    """

    def __init__(self, minutes, device):
        self.minutes, self.device = minutes, device
        self.clock = time.process_time if device == "cpu" else time.monotonic
        self.accelerator = "cpu" if device == "cpu" else "gpu"
        self.configurations = CPU if device == "cpu" else GPU

    def steps(self, train, folder, share=1.0):
        """Returns the number of steps that fill the budget, from timed trials.

        Args:
            train (Callable): Function of a number of steps and a folder.
            folder (Path): Folder for the trials and their result.
            share (float): Fraction of the budget.

        Returns:
            int: Number of steps.
        """
        known = folder / "steps.txt"
        if not known.is_file():
            spent = []
            for n in TRIAL:
                # A resumed trial would seem fast.
                shutil.rmtree(folder / str(n), ignore_errors=True)
                start = self.clock()
                train(n, folder / str(n))
                spent.append(self.clock() - start)
                shutil.rmtree(folder / str(n), ignore_errors=True)
            step = max((spent[1] - spent[0]) / (TRIAL[1] - TRIAL[0]), 1e-3 * spent[1] / TRIAL[1])
            fixed = max(0.0, spent[0] - TRIAL[0] * step)
            left = 60 * self.minutes * share - fixed
            folder.mkdir(parents=True, exist_ok=True)
            known.write_text(f"{max(TRIAL[0], int(left / step))}\n")
        return int(known.read_text())

    @contextmanager
    def timed(self, folder):
        """Adds the time spent inside the block to a file in ``folder``."""
        start = self.clock()
        try:
            yield
        finally:
            total = self.spent(folder) + (self.clock() - start) / 60
            (folder / "minutes.txt").write_text(f"{total}\n")

    def spent(self, folder):
        """Returns the minutes that :meth:`timed` has added up."""
        path = folder / "minutes.txt"
        return float(path.read_text()) if path.is_file() else 0.0


def configuration(name, budget):
    """Returns the configuration of a system, plain types."""
    return budget.configurations.get(name, {})


def kind(name):
    """Returns "source-only", "supervised" or "oracle"."""
    return "source-only" if name in (OURS, PUBLISHED) else system_class(name).kind


def train(name, data, validation, output, sources, budget, init=None):
    """Trains a system within the budget; resumes a stopped training.

    Args:
        name (str): Name in ``NAMES``.
        data (Path): Folder of solos.
        validation (Path): Folder of solos for validation.
        output (Path): Folder for the results.
        sources (list[str]): Names of the sources.
        budget (Budget): Budget of all sources together.
        init (Path, optional): Folder of a joint encoder of other sources to start from.

    Returns:
        dict: "steps", "parameters", "losses" (of each part, before and after) and
        "training_minutes".
    """
    output.mkdir(parents=True, exist_ok=True)
    options = dict(configuration(name, budget))
    if name in (OURS, PUBLISHED):
        return _train_ours(data, validation, output, sources, budget, options, init)

    def run(n_steps, folder, **more):
        return train_baseline(
            *(name, data, folder, sources),
            n_steps=n_steps,
            validation_data=validation,
            accelerator=budget.accelerator,
            progress=False,
            **{**options, **more},
        )

    n_steps = options.pop("n_steps", None)
    if n_steps is None and kind(name) != "oracle":
        n_steps = budget.steps(functools.partial(run, val_every=10**6), output / "trial")
    with budget.timed(output):
        record = run(n_steps, output / "model", val_every=max(1, (n_steps or 0) // 4))
    parts = record.get("priors", {"all": record})
    return {
        "steps": record["steps"],
        "parameters": record["parameters"],
        "training_minutes": round(budget.spent(output), 4),
        "losses": {part: _losses(row) for part, row in parts.items() if "loss_before" in row},
    }


def load(name, output, sources, device, added=()):
    """Loads a trained system.

    Args:
        name (str): Name in ``NAMES``.
        output (Path): Output folder of :func:`train`.
        sources (list[str]): Names in the order of the output.
        device (str): Device to separate on.
        added (Sequence[Path]): Output folders of added sources, of a source-only system.

    Returns:
        object: Object with ``sources`` and ``torch_separate``.
    """
    if name not in (OURS, PUBLISHED):
        model = load_baseline(output / "model")
        for folder in added:
            model.add(load_baseline(folder / "model"))
        return model.to(device)
    priors = {}
    for folder in (output, *added):
        priors |= {path.name: path for path in sorted((folder / "priors").iterdir())}
    options = {}
    if name == PUBLISHED:
        n_iter = (CPU if device == "cpu" else GPU)[name]["n_iter"]
        options = {"solver": "paper", "n_iter": n_iter}
    ordered = {source: priors[source] for source in sources}
    return GenerativeSeparator.from_pretrained(ordered, **options).to(device)


def _train_ours(data, validation, output, sources, budget, options, init):
    """Trains the encoders (jointly, or one from ``init``) and the flows."""
    common = {"validation_data": validation, "accelerator": budget.accelerator, "progress": False}
    shares = dict(zip(("flow", "joint", "encoder"), options.get("shares", (1.0, 0.0, 0.0))))
    if len(sources) == 1 and shares["joint"]:
        shares = {"flow": shares["flow"], "joint": 0.0, "encoder": 1 - shares["flow"]}
    elif shares["joint"]:
        init = output / "joint"

    def flow(n_steps, folder, source=sources[0], **more):
        arguments = {"model": options["flow"], **options["training"], **common, **more}
        return train_prior(source, data, folder, n_steps=n_steps, **arguments)

    def joint(n_steps, folder, **more):
        model = options["encoder"]
        rate = options["flow"].get("sample_rate", 22050)
        more |= {"n_steps": n_steps, "sample_rate": rate, **common}
        return pretrain_encoders(sources, data, folder, model=model, **more)

    def encoder(n_steps, folder, **more):
        if not folder.is_dir():  # a trial
            folder.mkdir(parents=True)
            for file in ("config.json", "model.safetensors"):
                shutil.copy(output / "priors" / sources[0] / file, folder)
        start = {"init": init, "lr": ENCODER_LR} if init else {"model": options["encoder"]}
        return train_encoder(folder, data, n_steps=n_steps, **start, **common, **more)

    def spend(part, train, folder, share, *more):
        trial = functools.partial(train, val_every=10**6)
        steps[part] = budget.steps(trial, output / f"trial-{part}", share)
        with budget.timed(output):
            return train(steps[part], folder, *more, val_every=max(1, steps[part] // 4))

    steps, losses, parameters = {}, {}, 0
    if shares["joint"]:
        losses["joint"] = _losses(spend("joint", joint, init, shares["joint"]))
    for source in sources:
        folder = output / "priors" / source
        record = spend("flow", flow, folder, shares["flow"] / len(sources), source)
        losses[source] = {"loss_before": record["nll_before"], "loss_after": record["nll_after"]}
        if shares["encoder"]:
            record = spend("encoder", encoder, folder, shares["encoder"] / len(sources))
            losses[f"{source} encoder"] = _losses(record)
        elif init:
            take_encoder(folder, init)
        parameters += sum(p.numel() for p in GlowPrior.from_pretrained(folder).parameters())
    minutes = round(budget.spent(output), 4)
    return {"steps": steps, "parameters": parameters, "training_minutes": minutes, "losses": losses}


def _losses(record):
    return {key: record[key] for key in ("loss_before", "loss_after")}
