"""The app's page, in Gradio: inputs, progress, and the mixer, which is our own HTML."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from ..audio.io import AUDIO_SUFFIXES
from ..options import ADAPT_STEPS, QUALITIES
from .studio import Mix, Studio

INTRO = """# instglow
Drop a song, choose which instruments to look for, and mix what comes out. Everything is computed on
the machine that runs this page."""
_FONT = ("ui-sans-serif", "system-ui", "sans-serif")
# Nothing outside the machine: the browser refuses every other address.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'self'; base-uri 'self'; form-action 'self'"
)


def build_page(studio: Studio, explain: Callable[[BaseException], str] = str) -> gr.Blocks:
    """Builds the page.

    Args:
        studio (Studio): Separates the songs and keeps their files.
        explain (Callable): Turns an error into a line for the user.

    Returns:
        gradio.Blocks: The page, which :func:`serve` serves.
    """
    first = next(iter(studio.sets))

    def sources_of(name: str) -> gr.CheckboxGroup:
        try:
            names = studio.separator(name).sources
        except Exception as error:  # noqa: BLE001 - whatever it is, the page tells it
            raise gr.Error(explain(error), print_exception=False) from error
        return gr.CheckboxGroup(choices=names, value=names)

    def add(name: str, spec: str) -> tuple[gr.Dropdown, gr.CheckboxGroup, str]:
        try:
            new = studio.add(name, spec)
        except Exception as error:  # noqa: BLE001
            raise gr.Error(explain(error), print_exception=False) from error
        return gr.Dropdown(choices=list(studio.sets), value=new), sources_of(new), ""

    def tell(progress: gr.Progress) -> Callable[[float, str], Any]:
        return lambda part, what: progress(part, desc=what)

    def separate(
        path: str | None,
        name: str,
        sources: list[str],
        quality: str,
        learns: bool,
        last: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way
    ) -> tuple[dict[str, Any], str]:
        if path is None:
            raise gr.Error("Choose a song first.", print_exception=False)
        if not sources:
            raise gr.Error("Choose at least one source.", print_exception=False)
        try:
            how = {"quality": quality, "adapt": ADAPT_STEPS * learns}
            mix = studio.separate(path, name, sources, tell(progress), **how)
        except Exception as error:  # noqa: BLE001
            raise gr.Error(explain(error), print_exception=False) from error
        studio.forget(last)
        return describe_mix(mix), str(mix.folder)

    # Uploads are deleted after a day, and at the end.
    with gr.Blocks(title="instglow", analytics_enabled=False, delete_cache=(600, 86400)) as page:
        gr.Markdown(INTRO)
        with gr.Row():
            song = gr.File(label="Song", file_types=list(AUDIO_SUFFIXES), height=170)
            with gr.Column():
                band = gr.Dropdown(list(studio.sets), value=first, label="Priors")
                names = studio.separator(first).sources
                sources = gr.CheckboxGroup(names, value=names, label="Sources")
                quality = gr.Radio(list(QUALITIES), value="default", label="Quality")
                learns = gr.Checkbox(
                    label="Learn the sounds of the song first", info="Better; a minute longer."
                )
        with gr.Accordion("Add a prior", open=False):
            spec = gr.Textbox(
                label="Folder or Hub id",
                placeholder="priors/strings, strings=priors/violin, or user/strings",
                info="One prior joins the set above; a whole set is added to the list.",
            )
            adding = gr.Button("Add")
        going = gr.Button("Separate", variant="primary")
        mixer = gr.HTML(
            value=None,
            html_template='<div class="mixer"></div>',
            css_template=_asset("mixer.css"),
            js_on_load=_asset("templates/transport.js", "asteroid_instglow.report")
            + _asset("mixer.js"),
            apply_default_css=False,
            min_height=120,
            elem_id="mixer",
        )
        last = gr.State(None, delete_callback=studio.forget)
        band.input(sources_of, band, sources, api_visibility="private")
        added = [band, sources, spec]
        adding.click(add, [band, spec], added, api_visibility="private")
        spec.submit(add, [band, spec], added, api_visibility="private")
        given = [song, band, sources, quality, learns, last]
        going.click(separate, given, [mixer, last], api_visibility="private")
    return page


def describe_mix(mix: Mix) -> dict[str, Any]:
    """Returns the data of the mixer's script: names, files' addresses and spectrograms' ticks."""
    return {
        "song": mix.song,
        "sample_rate": mix.sample_rate,
        "seconds": mix.seconds,
        "archive": _address(mix.archive),
        "ticks": [[label, height] for label, height in mix.ticks],
        "clips": [
            {
                "name": clip.name,
                "audio": _address(clip.audio),
                "image": _address(clip.image),
                "note": clip.note,
            }
            for clip in mix.clips
        ],
    }


def serve(
    studio: Studio,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    explain: Callable[[BaseException], str] = str,
) -> gr.Blocks:
    """Serves the app from a thread of its own.

    Args:
        studio (Studio): Separates the songs and keeps their files.
        host (str): Address to listen at; "0.0.0.0" is reachable from other machines.
        port (int, optional): Port; by default the first free one from 7860 on.
        browser (bool): Open the page in a browser.
        explain (Callable): Turns an error into a line for the user.

    Returns:
        gradio.Blocks: The page, with its address in ``local_url``, and ``close()``.
    """
    page = build_page(studio, explain)
    # Fonts of the system: Gradio's default theme loads its fonts from the network.
    theme = gr.themes.Default(
        primary_hue="cyan", font=_FONT, font_mono=("ui-monospace", "monospace")
    )
    page.queue().launch(
        server_name=host,
        server_port=port,
        inbrowser=browser,
        quiet=True,
        share=False,
        footer_links=[],
        allowed_paths=[str(studio.folder)],
        prevent_thread_lock=True,
        theme=theme,
        ssr_mode=False,
        app_kwargs={"middleware": [(_Policy, [], {})]},
        # Else Gradio gives up where a busy machine does not answer itself within three seconds.
        _frontend=False,
    )
    return page


class _Policy:
    # Adds the content security policy to every response.

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message.get("headers", []), policy]
            await send(message)

        await self.app(scope, receive, send_with_policy)


def _address(path: Path) -> str:
    return f"gradio_api/file={quote(str(path))}"


def _asset(name: str, package: str = "asteroid_instglow.app") -> str:
    return (files(package) / name).read_text(encoding="utf-8")
