"""Scores a system of the table, and measures the time of its separation."""

import shutil

import torch
from table_systems import Budget

from asteroid_instglow.audio.io import load_audio, save_audio
from asteroid_instglow.baselines.oracles import Oracle
from asteroid_instglow.evaluation import evaluate_folders


def score(model, data, output, seconds, device):
    """Scores a model on the validation tracks, and on the same number of training tracks.

    Args:
        model: Object with ``sources`` and ``torch_separate``.
        data (Path): Folder of both splits.
        output (Path): Folder for estimates.
        seconds (float): Length of each track to score.
        device (str): "cpu" or "cuda".

    Returns:
        dict: "scores" and "train_scores" (SDR and SI-SDRi in dB of each source and "average"), and
        "seconds_per_second", the cost of separation.
    """
    tracks = sorted(path for path in (data / "validation").iterdir() if path.is_dir())
    seen = sorted(path for path in (data / "train").iterdir() if path.is_dir())[: len(tracks)]
    found = {}
    for part, chosen in (("train_scores", seen), ("scores", tracks)):
        folder = output / part
        shutil.rmtree(folder, ignore_errors=True)
        cost = separate(model, chosen, folder, seconds, device)
        report = evaluate_folders(
            folder / "references", folder / "estimates", ["sisec", "si-sdr"], progress=False
        )
        values = report.to_dict()["protocols"]
        found[part] = {
            source: {
                "SDR": round(values["sisec"]["scores"]["estimates"][source]["SDR"]["value"], 2),
                "SI-SDRi": round(row["SI-SDRi"]["value"], 2),
            }
            for source, row in values["si-sdr"]["scores"]["estimates"].items()
        }
    return {**found, "seconds_per_second": float(f"{cost:.3g}")}


def separate(model, tracks, folder, seconds, device, unknown=()):
    """Writes the references of each track's start, in mono, and the estimates from their sum.

    Args:
        unknown (Sequence[str]): Sources in the mixture that the model does not know.

    Returns:
        float: CPU seconds (wall-clock seconds on a GPU) per second of audio.
    """
    clock, spent, heard = Budget(0, device).clock, 0.0, 0.0
    names = [*model.sources, *unknown]
    for track in tracks:
        wavs, rates = zip(*(load_audio(next(track.glob(f"{name}.*"))) for name in names))
        truth = torch.stack([wav.mean(0)[: round(seconds * rates[0])] for wav in wavs])
        options = {"references": truth[None]} if isinstance(model, Oracle) else {}
        start = clock()
        (out,) = model.torch_separate(truth.sum(0)[None], sample_rate=rates[0], **options)
        out = out.cpu()
        spent, heard = spent + clock() - start, heard + truth.shape[-1] / rates[0]
        for kind, signals in (("references", truth), ("estimates", out)):
            (folder / kind / track.name).mkdir(parents=True)
            for name, wav in zip(names, signals):
                path = folder / kind / track.name / f"{name}.wav"
                save_audio(path, wav, rates[0], "FLOAT", clip="none")
    return spent / heard
