"""What a probe prints is safe on a terminal and says what it hides, and its JSON is still the same text."""

import json

from probes.output import json_text, quoted, table


def test_json_is_safe_on_a_terminal_and_still_the_same_text():
    text = "é 漢 \x1b[2J \u202e \x7f \x9b \n \u2028 \ue000 \u0378"
    document = json_text({"text": text, "share": 1 / 3, "tuple": (1, None, True)})
    assert json.loads(document) == {"text": text, "share": 0.333333, "tuple": [1, None, True]}
    assert "é 漢" in document
    assert not any(c != "\n" and not c.isprintable() for c in document)


def test_text_for_people_shows_what_it_neutralises():
    assert quoted(' "x"\n\x1b[2J\u202e') == '" \\"x\\"␊␛[2J�"'
    assert table([("name", "n"), ("a", "1"), ("bc", "10")]) == "  name   n\n  a      1\n  bc    10"
    assert table([("n", "name"), ("1", "京"), ("2", "abc")]) == "  n  name\n  1  京\n  2  abc"
    assert table([("name", "n"), ("京", "1"), ("e\u0301", "2")]) == "  name  n\n  京    1\n  e\u0301     2"
