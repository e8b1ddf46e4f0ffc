"""The precision in which a device computes fastest."""

PRECISIONS = ("32", "bf16-mixed", "auto")


def resolve_precision(precision: str, accelerator: str) -> str:
    """Resolves "auto" for a device; returns other precisions as they are.

    Args:
        precision (str): One of :data:`PRECISIONS`.
        accelerator (str): "cpu", "cuda" or "gpu"; "auto" is a GPU if there is one.

    Returns:
        str: "32" or "bf16-mixed".

    Examples:
        >>> resolve_precision("32", "cpu")
        '32'
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if _is_fast_at_bf16(accelerator) else "32"


def _is_fast_at_bf16(accelerator: str) -> bool:
    import torch  # here, so that the options of a separation need no torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without instructions for it, bf16 is many times slower than float32.
    return accelerator in ("auto", "cpu") and any(bf16_instructions().values())


def bf16_instructions() -> dict[str, bool]:
    """Returns the instruction sets for bf16, by name, and whether the processor has them.

    PyTorch before 2.6 cannot tell: all are False.

    Examples:
        >>> sorted(bf16_instructions())
        ['amx_tile', 'avx512_bf16']
    """
    import torch

    names = ("amx_tile", "avx512_bf16")
    asked = {name: getattr(torch.cpu, f"_is_{name}_supported", None) for name in names}
    return {name: ask is not None and bool(ask()) for name, ask in asked.items()}
