"""Pictures are sound XML and show the figures, whatever the names hold."""

from xml.dom.minidom import parseString

from edgeq.report.svg import Bar, Span, bar_chart, confusion_picture, memory_picture

NASTY = '<script>alert("&")</script>'


def test_bars_are_proportional():
    svg = bar_chart([Bar("a", 1, "one"), Bar(NASTY, 4, "four", NASTY)], "caption")
    rects = parseString(svg).getElementsByTagName("rect")
    widths = [float(rect.getAttribute("width")) for rect in rects]
    assert widths[1] == 4 * widths[0] > 0
    assert "<script" not in svg


def test_no_bars_and_zero_bars():
    for bars in ([], [Bar("a", 0, "0")]):
        parseString(bar_chart(bars, "nothing"))


def test_memory_places_buffers_by_offset_and_time():
    svg = memory_picture([Span("in", 0, 50, 0, 0), Span("out", 50, 50, 0, 1)], 2, 100, "memory")
    low, high = parseString(svg).getElementsByTagName("rect")
    assert float(low.getAttribute("y")) > float(high.getAttribute("y"))
    assert float(high.getAttribute("width")) > 1.9 * float(low.getAttribute("width"))
    parseString(memory_picture([], 0, 0, "empty"))


def test_confusion_shows_counts_and_names():
    svg = confusion_picture([[3, 1], [0, 4]], ["cat", NASTY], "confusion")
    assert "cat taken for" in svg
    assert "<script" not in svg
    texts = [node.firstChild.data for node in parseString(svg).getElementsByTagName("text")]
    assert {"3", "1", "4"} <= set(texts)
    parseString(confusion_picture([[1] * 60] * 60, [], "large"))
