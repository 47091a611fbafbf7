"""Topic names and topic filters (section 4.7) and shared subscriptions (5.0 section 4.8.2)."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mqttproto.testing.strategies.values import reused, strings

__all__ = ["shared_filters", "topic_filters", "topic_names"]

_MOST_LEVELS = 5


@reused
def _levels() -> SearchStrategy[str]:
    """Topic levels: from a few words, so that names and filters may match, or of any text.

    None is ``$share``, which would make a plain filter that of a shared subscription.
    """
    words = st.sampled_from(["a", "b", "temperature", "", " ", "$SYS"])
    return st.one_of(words, strings(max_size=5, exclude="/+#"))


@reused
def topic_names() -> SearchStrategy[str]:
    """Topic Names of up to five levels; levels may be empty, and the first may start with ``$``."""
    levels = st.lists(_levels(), min_size=1, max_size=_MOST_LEVELS)
    return levels.map("/".join).filter(bool)


@reused
def topic_filters() -> SearchStrategy[str]:
    """Topic Filters with and without wildcards, those of shared subscriptions included.

    They are legal in all versions; before 5.0 ``$share/...`` is a filter like any other.
    """
    return st.one_of(_plain_filters(), shared_filters())


@reused
def shared_filters() -> SearchStrategy[str]:
    """Topic Filters ``$share/{ShareName}/{filter}`` (5.0: MQTT-4.8.2-1, MQTT-4.8.2-2)."""
    share_names = st.one_of(st.sampled_from(["g", "group"]), strings(1, 5, exclude="/+#"))
    return st.builds("$share/{}/{}".format, share_names, _plain_filters())


@reused
def _plain_filters() -> SearchStrategy[str]:
    levels = st.lists(st.one_of(_levels(), st.just("+")), max_size=_MOST_LEVELS - 1)
    last = st.one_of(_levels(), st.sampled_from(["+", "#"]))
    filters = st.builds(lambda levels, last: "/".join([*levels, last]), levels, last)
    return filters.filter(bool)
