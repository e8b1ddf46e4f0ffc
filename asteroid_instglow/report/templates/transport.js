// What every player shares: its clips are decoded, started at the same time and faded in and out, so
// that they stay in time to the sample. A player has context, clips, length, playButton, seek, label
// and loudness(clip), from 0.
const Context = window.AudioContext || window.webkitAudioContext;
const FADE = 0.015; // seconds

const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

class Transport {
  position = 0;
  sources = null;

  connect(context, clip, level) {
    const gain = context.createGain();
    gain.gain.value = level;
    const source = context.createBufferSource();
    source.buffer = clip.buffer;
    source.connect(gain).connect(context.destination);
    return { gain, source };
  }

  fade(clip, level) {
    if (clip.gain) clip.gain.gain.setTargetAtTime(level, this.context.currentTime, FADE);
  }

  start() {
    if (this.position >= this.length - 0.05) this.position = 0;
    const at = this.context.currentTime + 0.03;
    this.startedAt = at - this.position;
    this.sources = this.clips.map((clip) => {
      const { gain, source } = this.connect(this.context, clip, this.loudness(clip));
      clip.gain = gain;
      source.start(at, this.position);
      return source;
    });
    this.playButton.textContent = "❚❚";
    this.playButton.setAttribute("aria-label", "Pause");
    const follow = () => {
      if (!this.sources) return;
      this.position = Math.max(0, this.context.currentTime - this.startedAt);
      if (this.position >= this.length) {
        this.pause();
        this.position = 0;
      }
      this.draw();
      requestAnimationFrame(follow);
    };
    follow();
  }

  pause() {
    for (const source of this.sources ?? []) source.stop();
    this.sources = null;
    this.playButton.textContent = "▶";
    this.playButton.setAttribute("aria-label", "Play");
  }

  moveTo(position) {
    const plays = this.sources !== null;
    if (plays) this.pause();
    this.position = Math.min(this.length, Math.max(0, position));
    if (plays) this.start();
    this.draw();
  }

  // Where in the song a click on a view of it is, in seconds.
  placeOf(event, view) {
    const box = view.getBoundingClientRect();
    return (this.length * (event.clientX - box.left)) / box.width;
  }

  draw() {
    this.seek.value = this.position;
    this.label.textContent = `${clock(this.position)} / ${clock(this.length)}`;
    for (const clip of this.clips) clip.head.style.left = `${(100 * this.position) / this.length}%`;
  }
}

