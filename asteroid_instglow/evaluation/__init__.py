"""Scores separated sources of any system under the field's protocols.

Examples:
    >>> report = evaluate_folders("references", "stems", ["sisec", "si-sdr"], progress=False)
    >>> report.protocols
    ['sisec', 'si-sdr']
"""

from .folders import evaluate_folders
from .protocols import PROTOCOLS, evaluate_signals, parse_protocols
from .summary import Report

__all__ = ["PROTOCOLS", "Report", "evaluate_folders", "evaluate_signals", "parse_protocols"]
