"""Arrays and tensors of odd shapes, types, layouts, contents and rates."""

import json

import numpy as np
import torch

from .judge import Case, Fault, check_error
from .world import RATE, SOURCES

SHAPES = (
    *((), (0,), (1,), (2,), (63,), (64,), (65,), (1000,), (7919,), (1, 1), (0, 100), (2, 0)),
    *((3, 500), (1, 1, 999), (2, 2, 400), (1, 64, 100), (1, 65, 300), (2, 3, 0), (1, 1, 1, 100)),
    *((1, 1, 1, 1, 5), (500, 2), (1, 500, 2), (1, 2, 1), (5, 1, 16)),
)
DTYPES = (
    *("float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8"),
    *("bool", "complex64", "complex128", ">f4", ">i2", "float32", "float32", "float32", "float64"),
    *("object", "str", "longdouble"),
)
LAYOUTS = (
    *("plain", "plain", "plain", "strided", "reversed", "fortran", "readonly", "expanded", "grad"),
    *("sparse", "meta", "masked", "matrix", "list", "none", "parameter", "inference", "quantized"),
)
CONTENTS = (
    *("noise", "noise", "noise", "zeros", "ones", "nan", "inf", "-inf", "huge", "tiny"),
    *("denormal", "impulse", "loud", "constant", "alternating", "one item loud"),
)
RATES = (
    *(None, None, None, None, 8000, 44100, 44101, 1, 0, -1, 2**31 - 1, 1.5, float("nan"), "8000"),
    *(True, 1_000_003, 16000, 22050, 7919, 10**30, float("inf"), 8000.0),
)
OPTIONS = (
    *({}, {}, {}, {}, {"quality": "fast"}, {"solver": "paper", "n_iter": 2}),
    *({"chunk": 0.05, "overlap": 0.025}, {"chunk": 1e-9, "overlap": 0}, {"chunk": 1e30}),
    *({"chunk": float("nan")}, {"overlap": -1}, {"lr": float("inf")}, {"n_iter": 0}, {"seed": -1}),
    *({"solver": "x"}, {"x": 1}, {"stereo": "mid"}, {"early_stop": float("nan")}, {"seed": 2**64}),
    *({"solver": "paper", "n_iter": 2, "lr": 1e6}, {"solver": None}, {"chunk": "1"}),
    *({"solver": "paper", "n_iter": 2, "lr": 1e6},),
    *({"solver": "paper", "n_iter": 2, "wiener": True}, {"precision": "16"}),
    *({"solver": "paper", "n_iter": 6, "frame_mask": True}, {"lr": "a"}),
    *({"prior_weight": 1e38, "solver": "paper", "n_iter": 2}, {"init_scale": 1e30, "n_iter": 2}),
)

METHODS = ("separate", "separate", "separate", "separate", "confidence", "posterior", "detect")


def case(world, seed: int, number: int) -> Case:
    """Returns the array with this number."""
    rng = np.random.default_rng([seed, number, 1])
    shape, dtype, layout, content, rate, options = (
        choices[rng.integers(0, len(choices))]
        for choices in (SHAPES, DTYPES, LAYOUTS, CONTENTS, RATES, OPTIONS)
    )
    how = METHODS[rng.integers(0, len(METHODS))]
    name = f"{how} {shape} {dtype} {layout} {content} {rate} {options}"

    def run(place):
        try:
            wav = _make(rng, shape, dtype, layout, content)
        except (TypeError, ValueError, RuntimeError, OverflowError, IndexError):
            return  # No such array exists.
        if how == "separate":
            _try(world.separator, wav, rate, options)
        else:
            _try_uncertain(world.separator, how, wav, rate, options)

    return Case(name, run)


def _make(rng, shape, dtype, layout, content):
    with np.errstate(all="ignore"):
        wav = _content(rng, shape, content)
        if dtype == "bfloat16":
            return _tensor_layout(torch.from_numpy(wav).to(torch.bfloat16), layout)
        if "int" in dtype or dtype == ">i2":
            wav = np.nan_to_num(wav * 1000)
        wav = np.asarray(wav.astype(dtype))
    if layout in ("plain", "reversed", "fortran", "readonly", "masked", "matrix", "list", "none"):
        return _array_layout(wav, layout)
    return _tensor_layout(torch.from_numpy(wav), layout)


def _content(rng, shape, content):
    wav = 0.1 * rng.standard_normal(shape)
    if content in ("nan", "inf", "-inf") and wav.size:
        wav.flat[rng.integers(0, wav.size)] = float(content)
    elif content == "impulse" and wav.size:
        wav *= 0
        wav.flat[rng.integers(0, wav.size)] = 1.0
    elif content == "one item loud" and wav.ndim:
        wav[-1:] *= 1e4
    scale = {"zeros": 0, "huge": 1e30, "tiny": 1e-20, "denormal": 1e-41, "loud": 1e3}
    wav = wav * scale.get(content, 1)
    if content in ("ones", "constant"):
        wav = np.full(shape, 1.0 if content == "ones" else -0.3)
    return np.sign(wav) * 0.5 if content == "alternating" else wav


def _array_layout(wav, layout):
    if layout == "reversed":
        return wav[..., ::-1] if wav.ndim else wav
    if layout == "readonly":
        wav.setflags(write=False)
    if layout == "masked":
        return np.ma.masked_array(wav, np.zeros(wav.shape, bool))
    if layout == "matrix":
        return np.asmatrix(wav)
    if layout in ("list", "none"):
        return wav.tolist() if layout == "list" else None
    return np.asfortranarray(wav) if layout == "fortran" else wav


def _tensor_layout(wav, layout):
    if layout == "strided":
        return torch.stack([wav, wav], -1)[..., 0]
    if layout == "expanded":
        return wav[..., :1].expand(wav.shape)
    if layout == "grad":
        return wav.requires_grad_()
    if layout == "sparse":
        return wav.to_sparse()
    if layout == "meta":
        return wav.to("meta")
    if layout == "quantized":
        return torch.quantize_per_tensor(wav, 0.1, 0, torch.qint8)
    if layout == "inference":
        with torch.inference_mode():
            return wav.clone()
    return torch.nn.Parameter(wav) if layout == "parameter" else wav


def _try(separator, wav, rate, options):
    before = wav.detach().clone() if isinstance(wav, torch.Tensor) else np.copy(wav)
    try:
        out = separator.separate(wav, sample_rate=rate, **options)
    except Exception as error:
        check_error(error)
        return
    kind = np.ndarray if isinstance(wav, np.ndarray) else torch.Tensor
    if not isinstance(out, kind):
        raise Fault(f"a {type(wav).__name__} became a {type(out).__name__}")
    out, wav, before = (torch.as_tensor(np.asarray(_plain(x)).copy()) for x in (out, wav, before))
    if not torch.equal(wav, before):
        raise Fault("the input was changed")
    out, wav = out.double(), wav.double() / (32768 if wav.dtype == torch.int16 else 1)
    axis = 0 if wav.ndim == 1 else 1
    if out.shape[axis] != len(SOURCES) or out.numel() != len(SOURCES) * wav.numel():
        raise Fault(f"{tuple(wav.shape)} became {tuple(out.shape)}")
    if not out.isfinite().all():
        raise Fault("the output is not finite")
    if options.get("solver") != "paper" and rate in (None, RATE):
        # The smallest numbers of float32 have few digits.
        peak = wav.abs().max().clamp_min(1e-36)
        missed = (out.sum(axis).reshape(wav.shape) - wav).abs().max() / peak
        if missed > (1e-5 if wav.dtype == torch.float64 else 1e-2):
            raise Fault(f"the sources miss the mixture by {missed:.2g} of its peak")


def _try_uncertain(separator, how, wav, rate, options):
    try:
        if how == "posterior":
            found = separator.posterior(wav, n=2, sample_rate=rate, **options)
        elif how == "detect":
            found = separator.detect(wav, sample_rate=rate, **options)
        else:
            found, told = separator.separate(wav, sample_rate=rate, confidence=True, **options)
    except Exception as error:
        check_error(error)
        return
    if how == "detect":
        json.dumps(found.to_dict(), allow_nan=False)
        return
    answer = separator.separate(wav, sample_rate=rate, **options)
    if how == "confidence":
        if not torch.equal(torch.as_tensor(found), torch.as_tensor(answer)):
            raise Fault("the answer is another with confidence")
        json.dumps([one.to_dict() for one in told], allow_nan=False)
        return
    if found.shape != (2, *answer.shape) or not found.isfinite().all():
        raise Fault(
            f"alternatives of {tuple(answer.shape)} are {tuple(found.shape)}, or not finite"
        )
    if found.dtype == torch.float32:
        axis = 0 if wav.ndim == 1 else 1
        peak = answer.abs().sum(axis).max().double().clamp_min(1e-36)
        missed = (found.double().sum(axis + 1) - answer.double().sum(axis)).abs().max() / peak
        if missed > 1e-5:
            raise Fault(f"alternatives miss the answer's sum by {missed:.2g} of its peak")


def _plain(wav):
    wav = wav.detach().float() if isinstance(wav, torch.Tensor) and _is_short(wav) else wav
    wav = wav.detach() if isinstance(wav, torch.Tensor) else wav
    return np.asarray(wav, wav.dtype.newbyteorder("=")) if isinstance(wav, np.ndarray) else wav


def _is_short(wav):
    return wav.dtype in (torch.bfloat16, torch.float16)
