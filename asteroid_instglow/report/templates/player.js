(() => {
  "use strict";
  // Without this script the page shows one <audio> element per clip. With it, and transport.js before
  // it, each track has one player.
  if (!Context) return;
  let context = null;
  let playing = null; // the track that sounds

  const decode = async (audio) => {
    const text = atob(audio.src.slice(audio.src.indexOf(",") + 1));
    return context.decodeAudioData(Uint8Array.from(text, (c) => c.charCodeAt(0)).buffer);
  };

  class Player extends Transport {
    constructor(article) {
      super();
      this.article = article;
      this.bar = article.querySelector(".player");
      this.clips = [...article.querySelectorAll(".clip")].map((figure) => ({
        figure,
        audio: figure.querySelector("audio"),
        head: figure.querySelector(".view b"),
        stem: figure.closest(".stem").dataset.stem,
        version: figure.dataset.version,
      }));
      if (!this.clips.length) return;
      this.playButton = this.bar.querySelector(".play");
      this.seek = this.bar.querySelector(".seek");
      this.label = this.bar.querySelector(".clock");
      this.length = Number(this.seek.max);
      this.version = "estimates";
      this.bar.hidden = false;
      article.classList.add("has-player");
      this.bar.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        if (button === this.playButton) this.toggle();
        else this.choose(button.dataset.stem ?? this.stem, button.dataset.version ?? this.version);
      });
      this.seek.addEventListener("input", () => this.moveTo(Number(this.seek.value)));
      for (const clip of this.clips) {
        clip.figure.querySelector(".view").addEventListener("click", (event) => {
          const place = this.placeOf(event, event.currentTarget);
          this.choose(clip.stem, clip.version === "mixture" ? this.version : clip.version);
          this.moveTo(place);
          if (!this.sources) this.play();
        });
      }
      this.choose(this.clips[0].stem, this.version);
    }

    get context() {
      return context;
    }

    loudness(clip) {
      return Number(clip === this.heard);
    }

    // The clip that is heard: the chosen version of the stem, or the only one there is.
    get heard() {
      const of = this.clips.filter((clip) => clip.stem === this.stem);
      return of.find((clip) => clip.version === this.version) ?? of[0];
    }

    choose(stem, version) {
      this.stem = stem;
      this.version = version;
      const heard = this.heard;
      for (const button of this.bar.querySelectorAll("[data-stem]"))
        button.setAttribute("aria-pressed", String(button.dataset.stem === stem));
      for (const button of this.bar.querySelectorAll("[data-version]")) {
        const wanted = button.dataset.version;
        const has = this.clips.some((clip) => clip.stem === stem && clip.version === wanted);
        button.disabled = !has;
        button.setAttribute("aria-pressed", String(has && heard?.version === wanted));
      }
      for (const group of this.article.querySelectorAll(".stem"))
        group.classList.toggle("chosen", group.dataset.stem === stem);
      for (const clip of this.clips) {
        clip.figure.classList.toggle("heard", clip === heard);
        this.fade(clip, this.loudness(clip));
      }
    }

    async load() {
      context ??= new Context();
      await Promise.all(
        this.clips.map(async (clip) => { clip.buffer ??= await decode(clip.audio); }),
      );
      this.length = Math.min(...this.clips.map((clip) => clip.buffer.duration));
    }

    async toggle() {
      if (this.sources) this.pause();
      else await this.play();
    }

    async play() {
      if (this.loading) return;
      this.loading = true;
      this.playButton.disabled = true;
      try {
        await this.load();
        await context.resume();
      } catch (error) {
        const told = this.bar.querySelector(".problem");
        told.textContent = `This browser cannot decode the audio: ${error.message}`;
        told.hidden = false;
        return;
      } finally {
        this.loading = false;
        this.playButton.disabled = false;
      }
      if (playing && playing !== this) playing.release();
      playing = this;
      this.start();
    }

    // Decoded audio is large: only the track that sounds keeps it.
    release() {
      this.pause();
      for (const clip of this.clips) clip.buffer = clip.gain = null;
    }

    draw() {
      for (const clip of this.clips) clip.head.style.visibility = "visible";
      super.draw();
    }
  }

  for (const article of document.querySelectorAll("article.track")) new Player(article);
})();
