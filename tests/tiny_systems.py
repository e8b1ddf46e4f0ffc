"""Arguments that make every system of comparison tiny."""

TINY = {
    "nmf": {"n_fft": 128, "hop_length": 32, "n_atoms": 4, "n_iter": 5},
    "gan": {
        **{"n_fft": 128, "hop_length": 32, "n_frames": 16, "depth": 2, "width": 2},
        **{"n_latent": 4, "n_iter": 3, "overlap_frames": 4},
    },
    "conv-tasnet": {
        **{"n_filters": 8, "bn_chan": 4, "hid_chan": 4, "skip_chan": 4},
        **{"n_blocks": 2, "n_repeats": 1},
    },
    "open-unmix": {"n_fft": 128, "hop_length": 32, "hidden_size": 8, "n_layers": 1},
    "demucs": {"channels": 4, "depth": 2, "lstm_layers": 1, "shifts": 2},
    "wave-u-net": {"depth": 3, "width": 2},
    "mixture": {},
    **dict.fromkeys(["irm", "wiener", "mwf"], {"n_fft": 128, "hop_length": 32}),
}
