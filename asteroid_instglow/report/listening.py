"""Players of the tracks: reference beside estimate, a spectrogram under each."""

from .experiment import key
from .markup import data_uri, plural, section, tag
from .scores import describe_scores


def listening_section(shown, articles, choice, seconds):
    """All tracks.

    Args:
        shown (list[tuple]): (anchor, name) of each.
        articles (list[Markup]): Of :func:`track_article`.
        choice (str): A sentence on which tracks these are.
        seconds (float): Longest excerpt.

    Returns:
        Markup: The section.
    """
    if not articles:
        return section("listen", "Listen", tag("p", None, "There is nothing to hear."))
    told = (
        f"{choice} Excerpts of at most {seconds:g}\u00a0s, compressed, levels as they are; scores "
    )
    told += "are of the track, not of the excerpt. A click into a spectrogram plays from there; "
    told += "playing one pauses the others."
    box = tag("input", {"type": "checkbox", "id": "keep", "checked": True})
    text = "Keep the position when switching between the players of a track"
    switch = tag("label", {"class": "switch", "hidden": True}, box, tag("span", None, text))
    links = [tag("li", None, tag("a", {"href": f"#{to}"}, name)) for to, name in shown]
    nav = tag("nav", {"aria-label": "Tracks"}, tag("ul", None, links)) if len(shown) > 1 else None
    return section("listen", "Listen", tag("p", None, told), switch, nav, *articles)


def track_article(anchor, track, excerpt, found, preload):
    """One track: its mixture, then a row a source.

    Args:
        anchor (str): Id of the element.
        track (Track): Which it is.
        excerpt (Excerpt): Its audio and pictures.
        found (Experiment): For the scores.
        preload (bool): Whether players are opened before they are used.

    Returns:
        Markup: The article.
    """
    start, stop = excerpt.start, excerpt.start + excerpt.seconds
    channels = {1: "mono", 2: "stereo"}.get(excerpt.channels)
    meta = f"{_clock(start)} to {_clock(stop)} of {_clock(excerpt.total)}, "
    meta += f"{excerpt.sample_rate} Hz, {channels or plural(excerpt.channels, 'channel')}"
    common = (excerpt.ticks, "metadata" if preload else "none")
    mixture = excerpt.clips["mixture"].get(None)
    label = f"mixture of {track.name}"
    first = _player("mixture", label, mixture, *common) if mixture else None
    first = first or tag("p", {"class": "absent"}, "No mixture.")
    scores = found.track_scores.get(key(track.name), {})
    rows = [_pair(s, track, excerpt, scores.get(key(s)), common) for s in track.sources]
    title = tag("h3", {"id": f"{anchor}-title"}, track.name)
    attributes = {"class": "track", "id": anchor, "aria-labelledby": f"{anchor}-title"}
    head = tag("p", {"class": "meta"}, meta)
    return tag("article", attributes, title, head, tag("div", {"class": "mixture"}, first), rows)


def _pair(source, track, excerpt, scores, common):
    players = []
    for kind, word in (("references", "reference"), ("estimates", "estimate")):
        clip = excerpt.clips[kind].get(source)
        if clip is not None:
            silent = " (silent here)" if clip.silent else ""
            label = f"{source} of {track.name}, {word}"
            players.append(_player(word + silent, label, clip, *common))
        else:
            unread = source in getattr(track, kind)
            told = f"The {word} could not be read." if unread else f"No {word}."
            players.append(tag("p", {"class": "absent"}, told))
    told = describe_scores(scores) if scores else "not scored"
    head = tag("div", {"class": "pair-head"}, tag("h4", None, source), tag("p", None, told))
    group = {"class": "pair", "role": "group", "aria-label": source}
    return tag("div", group, head, tag("div", None, players))


def _player(title, label, clip, ticks, preload):
    alt = f"Spectrogram: {label}"
    image = tag("img", {"src": data_uri(clip.image, "image/webp"), "alt": alt})
    # Positions on the axis are no news to who listens only.
    axis = [
        tag("span", {"style": f"bottom:{100 * place:.1f}%", "aria-hidden": "true"}, text)
        for text, place in ticks
    ]
    audio = {
        "controls": True,
        "preload": preload,
        "aria-label": label,
        "data-seconds": f"{clip.seconds:.3f}",
        "src": data_uri(clip.audio, clip.mime),
    }
    view = tag("div", {"class": "view"}, image, axis, tag("b", {"aria-hidden": "true"}))
    return tag("figure", None, tag("figcaption", None, title), view, tag("audio", audio))


def _clock(seconds):
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
