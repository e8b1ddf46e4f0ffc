"""Chord shapes, strumming, picking and palm-mute patterns of `guitar.py`."""

import numpy as np

STRINGS = np.array([40, 45, 50, 55, 59, 64])
# Frets from the low E string, None for a string that is not played: (root, quality) to shape.
OPEN_SHAPES = {
    (0, "maj"): "x32010", (2, "maj"): "xx0232", (4, "maj"): "022100", (7, "maj"): "320003",
    (9, "maj"): "x02220", (5, "maj"): "133211", (11, "maj"): "x24442", (2, "min"): "xx0231",
    (4, "min"): "022000", (9, "min"): "x02210", (11, "min"): "x24432", (6, "min"): "244222",
    (0, "7"): "x32310", (2, "7"): "xx0212", (4, "7"): "020100", (7, "7"): "320001",
    (9, "7"): "x02020", (11, "7"): "x21202", (2, "sus4"): "xx0233", (9, "sus4"): "x02230",
    (4, "sus4"): "022200", (2, "sus2"): "xx0230", (9, "sus2"): "x02200", (0, "maj7"): "x32000",
    (7, "maj7"): "320002", (9, "min7"): "x02010", (4, "min7"): "020000", (2, "min7"): "xx0211",
}  # fmt: skip
BARRE_E = {
    "maj": "022100", "min": "022000", "7": "020100", "min7": "020000", "sus4": "022200",
    "maj7": "021100", "5": "022xxx", "sus2": "0224xx", "dim": "0120xx",
}  # fmt: skip
BARRE_A = {
    "maj": "x02220", "min": "x02210", "7": "x02020", "min7": "x02010", "sus4": "x02230",
    "maj7": "x02120", "5": "x022xx", "sus2": "x02200", "dim": "x0121x",
}  # fmt: skip

# Sixteen slots a bar: D/U full strokes, d/u light ones, x dead strings, . nothing.
STRUMS = [
    "D...D.u...u.D.u.", "D...D.U...UUD.U.", "D.d.D.u.d.u.D.u.", "D.d.D.d.D.d.D.d.",
    "D...D...D...D...", "D.......D...d.u.", "D..u..u.D.u.D.u.", "d.u.D.u.d.u.D.u.",
    "D.dux.udD.dux.ud", "x.x.D.x.x.x.D.u.", "D.DUDUD.D.DUDUDU", "D..D..D.D..D..D.",
    "D...............", "D.......D.......", "..D...D...D...D.", "x.D.x.D.x.D.x.Du",
    "DxuxDxuxDxDuxuDu", "D.DD.UDUD.DD.UDU",
]  # fmt: skip
# O open power chord, m palm mute on the root, M palm-muted chord, - lets ring, . stops.
POWERS = [
    "O.O.O.O.O.O.O.O.", "m.m.m.m.m.m.m.m.", "O.m.m.m.O.m.m.m.", "O--.m.m.O--.m.m.",
    "m.mmm.mmm.mmm.mm", "O.m.mmO.m.mmO.m.", "mmmmmmmmmmmmmmmm", "O---------------",
    "O-------O-------", "O-----O---O-----", "M.M.M.M.M.M.M.O-", "O..O..O.O..O..O.",
    "O.O.O.O.O.O.mmmm", "O-m.m.O-m.O-m.m.", "mmO-mmO-mmO-mmmm", "OOOOOOOOOOOOOOOO",
    "O-..O-..O-.O-...", "O.O.O-......O.O.", "m.m.O-m.m.O-O-m.",
]  # fmt: skip
PICKS = [
    "0 2 3 4 5 4 3 2", "0 3 2 4 1 3 2 4", "0 2 4 3 5 3 4 2", "0 1 2 3 4 3 2 1", "0 3 4 5 0 3 4 5",
    "0 4 2 3 0 4 2 3",
]  # fmt: skip
SCALES = {
    "minor": (0, 3, 5, 7, 10), "major": (0, 2, 4, 7, 9), "blues": (0, 3, 5, 6, 7, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
}  # fmt: skip
