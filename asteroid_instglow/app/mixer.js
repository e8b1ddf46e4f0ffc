// The body of a function of Gradio's, with element, props and watch; transport.js comes before it.
const MIXTURE = "mixture";

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const save = (href, name) => {
  const link = make("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
};

// A WAV file of 16 bits; peaks beyond full scale turn all of it down.
const encode = (buffer) => {
  const { numberOfChannels: channels, length, sampleRate } = buffer;
  const data = Array.from({ length: channels }, (_, i) => buffer.getChannelData(i));
  const peak = data.reduce((top, x) => x.reduce((m, v) => Math.max(m, Math.abs(v)), top), 1);
  const view = new DataView(new ArrayBuffer(44 + 2 * channels * length));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, view.byteLength - 8, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, channels, true);
  view.setUint32(24, sampleRate, true); view.setUint32(28, 2 * channels * sampleRate, true);
  view.setUint16(32, 2 * channels, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, view.byteLength - 44, true);
  for (let i = 0, at = 44; i < length; i++)
    for (let c = 0; c < channels; c++, at += 2)
      view.setInt16(at, Math.min(32767, Math.round((data[c][i] / peak) * 32768)), true);
  return new Blob([view], { type: "audio/wav" });
};

class Mixer extends Transport {
  constructor(root, song) {
    super();
    this.song = song;
    this.length = song.seconds;
    this.compared = null; // the stem of the A/B comparison, and which of both is heard
    this.clips = song.clips.map((clip) => ({ ...clip, volume: 1, solo: false, muted: false }));
    this.build(root);
    this.update();
  }

  build(root) {
    this.playButton = make("button", { class: "play", "aria-label": "Play", onclick: () => this.toggle() }, "▶");
    this.seek = make("input", {
      type: "range", class: "seek", min: 0, max: this.length, step: 0.01, value: 0,
      "aria-label": "Position", oninput: () => this.moveTo(Number(this.seek.value)),
    });
    this.label = make("span", { class: "clock" });
    this.told = make("p", { class: "told", role: "status" });
    const name = this.song.song;
    this.mixButton = make("button", { class: "get", onclick: () => this.download() }, "Download this mix");
    root.replaceChildren(
      make("h2", {}, name),
      make("div", { class: "transport" }, this.playButton, this.seek, this.label),
      this.told,
      make("ol", {}, ...this.clips.map((clip) => this.strip(clip))),
      make(
        "div", { class: "downloads" },
        make("a", { class: "get", href: this.song.archive, download: `${name} stems.zip` }, "Download all stems (zip)"),
        this.mixButton,
      ),
    );
    this.draw();
  }

  strip(clip) {
    const isMixture = clip.name === MIXTURE;
    const button = (text, label, onclick) =>
      make("button", { "aria-pressed": false, "aria-label": `${label} ${clip.name}`, title: label, onclick }, text);
    clip.head = make("b", {});
    const view = make(
      "div", { class: "view", onclick: (event) => this.jump(event, view) },
      make("img", { src: clip.image, alt: `Spectrogram of ${clip.name}` }),
      ...this.song.ticks.map(([text, height]) => make("span", { style: `bottom:${100 * height}%` }, text)),
      clip.head,
    );
    const controls = make("div", { class: "controls" });
    if (isMixture) {
      clip.compareButton = button("Original", "Hear the", () => this.compare(clip));
      controls.append(clip.compareButton);
    } else {
      clip.soloButton = button("S", "Solo", () => this.set(clip, { solo: !clip.solo }));
      clip.muteButton = button("M", "Mute", () => this.set(clip, { muted: !clip.muted }));
      clip.compareButton = button("A/B", "Compare with the mixture:", () => this.compare(clip));
      clip.slider = make("input", {
        type: "range", min: 0, max: 1.5, step: 0.01, value: 1, "aria-label": `Volume of ${clip.name}`,
        oninput: () => this.set(clip, { volume: Number(clip.slider.value) }),
      });
      const file = make(
        "a", { class: "icon", href: clip.audio, download: `${this.song.song} - ${clip.name}.wav`,
          "aria-label": `Download ${clip.name}`, title: "Download" }, "⤓",
      );
      controls.append(clip.soloButton, clip.muteButton, clip.slider, clip.compareButton, file);
    }
    clip.strip = make(
      "li", { "data-stem": clip.name },
      make("div", { class: "top" }, make("strong", {}, clip.name), make("small", { class: "sure" }, clip.note && `expected SDR ${clip.note}`), controls), view,
    );
    return clip.strip;
  }

  // How loud a clip is in the mix, apart from a comparison.
  level(clip) {
    if (clip.name === MIXTURE || clip.muted) return 0;
    const soloed = this.clips.some((other) => other.solo);
    return soloed && !clip.solo ? 0 : clip.volume;
  }

  loudness(clip) {
    if (!this.compared) return this.level(clip);
    const { clip: stem, mixture } = this.compared;
    return Number(clip === (mixture ? this.clips[0] : stem));
  }

  set(clip, change) {
    this.compared = null;
    Object.assign(clip, change);
    this.update();
  }

  // First the stem alone (A), then the mixture (B), and so on, until another control is used.
  compare(clip) {
    const same = this.compared?.clip === clip;
    if (clip.name === MIXTURE) this.compared = same ? null : { clip, mixture: true };
    else this.compared = { clip, mixture: same && !this.compared.mixture };
    this.update();
  }

  update() {
    for (const clip of this.clips) {
      const level = this.loudness(clip);
      clip.strip.dataset.level = level;
      clip.strip.classList.toggle("silent", level === 0);
      this.fade(clip, level);
      const compared = this.compared?.clip === clip;
      clip.compareButton.setAttribute("aria-pressed", compared);
      if (clip.name === MIXTURE) continue;
      clip.soloButton.setAttribute("aria-pressed", clip.solo);
      clip.muteButton.setAttribute("aria-pressed", clip.muted);
      clip.compareButton.textContent = !compared ? "A/B" : this.compared.mixture ? "B: mixture" : "A: stem";
    }
    const { clip, mixture } = this.compared ?? {};
    this.told.textContent = !clip ? "" : `You hear ${mixture ? "the original mixture" : `only ${clip.name}`}.`;
  }

  async load() {
    if (!this.context) {
      try {
        this.context = new Context({ sampleRate: this.song.sample_rate });
      } catch {
        this.context = new Context();
      }
    }
    await Promise.all(this.clips.map(async (clip) => {
      if (clip.buffer) return;
      const answer = await fetch(clip.audio);
      if (!answer.ok) throw new Error(`${clip.name} cannot be read (${answer.status})`);
      clip.buffer = await this.context.decodeAudioData(await answer.arrayBuffer());
    }));
  }

  // Runs something that needs the decoded audio, once at a time.
  async loaded(action) {
    if (this.loading) return;
    this.loading = true;
    this.told.textContent = "Loading the audio…";
    try {
      await this.load();
      this.update();
      await action();
    } catch (error) {
      this.told.textContent = `This browser cannot play the audio: ${error.message}`;
    } finally {
      this.loading = false;
    }
  }

  toggle() {
    if (this.sources) this.pause();
    else this.loaded(async () => { await this.context.resume(); this.start(); });
  }

  jump(event, view) {
    this.moveTo(this.placeOf(event, view));
    if (!this.sources) this.toggle();
  }

  download() {
    this.loaded(async () => {
      const [first] = this.clips;
      const { sampleRate, length, numberOfChannels } = first.buffer;
      const context = new OfflineAudioContext(Math.min(2, numberOfChannels), length, sampleRate);
      for (const clip of this.clips) this.connect(context, clip, this.level(clip)).source.start();
      const address = URL.createObjectURL(encode(await context.startRendering()));
      save(address, `${this.song.song} mix.wav`);
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    });
  }

  close() {
    this.pause();
    this.context?.close();
  }
}

let mixer = null;
const show = () => {
  mixer?.close();
  const root = element.querySelector(".mixer");
  mixer = props.value?.clips ? new Mixer(root, props.value) : null;
  if (!mixer) root?.replaceChildren();
};
watch("value", show);
show();
