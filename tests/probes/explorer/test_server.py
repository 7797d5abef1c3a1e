"""The explorer answers its own page as the command line answers, and refuses everybody else."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from probes.__main__ import PROGRAM, main
from probes.explorer.library import Library
from probes.explorer.questions import MAX_BYTES, MAX_CHARACTERS
from probes.explorer.server import PAGE, listen
from tests.helpers.explorer import explorer_of
from wikilm.cli import run
from wikilm.errors import RunError

FILL = {"model": 1, "text": "A [MASK] is water."}


@pytest.fixture
def command_line(tiny, capsys, monkeypatch):
    """Ask a question on the command line, in a folder without params.yaml, and return its JSON."""

    def ask(*argv):
        monkeypatch.chdir(tiny)
        assert run(main, PROGRAM, [*map(str, argv), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.mark.parametrize(("number", "name"), [(0, "causal"), (1, "masked")])
def test_blanks_are_filled_as_on_the_command_line(explorer, command_line, tiny, number, name):
    text = "A [MASK] is water."
    answer = explorer.post("fill", {"model": number, "text": text, "top_k": 4})
    found = command_line("fill-mask", "--model", tiny / name, "--text", text, "--top-k", 4)
    assert answer.status == 200
    assert answer.json == found["models"][0]["clozes"][0]


def test_prompts_are_continued_as_on_the_command_line(explorer, command_line, tiny):
    question = {"model": 0, "prompt": "A river is", "max_new_tokens": 6, "top_k": 4}
    flags = ("--prompt", "A river is", "--max-new-tokens", 6, "--shown", 4, "--steps")
    answer = explorer.post("continue", question)
    assert answer.status == 200
    assert answer.json == command_line("generate", "--model", tiny / "causal", *flags)["generations"][0]


def test_another_token_leads_elsewhere_and_every_step_is_what_the_model_says_there(explorer):
    question = {"model": 0, "prompt": "A river is", "max_new_tokens": 6, "top_k": 4}
    first = explorer.post("continue", question).json
    other = first["steps"][2]["candidates"][1]
    steered = explorer.post("continue", question | {"chosen": [*first["ids"][:2], other["id"]]}).json
    assert steered["ids"][:3] == [*first["ids"][:2], other["id"]]
    assert [step["candidates"][0]["id"] for step in steered["steps"][:3]] == first["ids"][:3]
    assert steered["steps"][2]["chosen"]["probability"] == pytest.approx(other["probability"], rel=1e-4)
    assert all(step["chosen"] == step["candidates"][0] for step in steered["steps"][3:])
    assert len(steered["ids"]) <= 6
    assert steered["ids"] == [step["chosen"]["id"] for step in steered["steps"]]


def test_the_likeliest_tokens_chosen_by_hand_are_what_the_model_chooses(explorer):
    question = {"model": 0, "prompt": "A river is", "max_new_tokens": 6}
    alone = explorer.post("continue", question).json
    steered = explorer.post("continue", question | {"chosen": alone["ids"][:3]}).json
    assert {**steered, "steps": None} == {**alone, "steps": None}


def test_texts_are_traced_as_on_the_command_line(explorer, command_line, tiny, library):
    row = explorer.post("row", {"model": 0, "split": "train", "row": 3}).json
    text = "".join(row["tokens"][2:12])
    answer = explorer.post("trace", {"model": 0, "text": text})
    index = next(iter(library.shelf.index.parts["train"])).name.rpartition("/")[0]
    flags = ("--index", index, "--shards", tiny / "shards", "--min-tokens", 3)
    told = command_line("trace", "--model", tiny / "causal", "--text", text, *flags)
    assert answer.status == 200
    assert answer.json == told["texts"][0]["trace"]
    assert answer.json["runs"]


def test_a_row_is_whole_and_its_articles_cover_it(explorer, library):
    answer = explorer.post("row", {"model": 1, "split": "validation", "row": 1}).json
    assert answer["ids"] == library.shelf.rows["validation"].take([1]).tolist()[0]
    assert len(answer["tokens"]) == len(answer["ids"])
    assert answer["articles"][0]["row_tokens"][0] == 0
    assert answer["articles"][-1]["row_tokens"][1] == len(answer["ids"])


def test_without_shards_what_needs_them_is_refused_in_one_line(library):
    bare = Library(library.models, None, library.fill_mask, library.generation, library.trace)
    with explorer_of(bare) as explorer:
        assert explorer.get("/api/about").json["rows"] is None
        for question, content in (("row", {"split": "train", "row": 0}), ("trace", {"text": "A river"})):
            answer = explorer.post(question, {"model": 0, **content})
            assert answer.status == 422
            assert "--shards" in answer.json["error"]


@pytest.mark.parametrize("path", PAGE)
def test_the_page_may_load_nothing_from_elsewhere(explorer, path):
    answer = explorer.get(path)
    assert answer.status == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert "://" not in answer.body.replace("http://www.w3.org/2000/svg", "")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


HOSTS = ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", "[::1]:{port}", "", None]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/", "/api/about", "/explorer.js", "/nothing"])
def test_another_host_is_refused(explorer, host, path):
    answer = explorer.get(path, Host=host and host.format(port=explorer.port))
    assert answer.status == 400
    assert "models" not in answer.body


def test_localhost_is_this_host_too(explorer):
    own = {"Host": f"localhost:{explorer.port}", "Origin": f"http://localhost:{explorer.port}"}
    assert explorer.get("/", Host=own["Host"]).status == 200
    assert explorer.post("fill", FILL, **own).status == 200


ORIGINS = [
    None,
    "null",
    "",
    "http://evil.example",
    "http://127.0.0.1",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:1",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_question_of_another_site_is_refused(explorer, origin):
    answer = explorer.post("fill", FILL, Origin=origin and origin.format(port=explorer.port))
    assert answer.status == 403


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_question_that_a_form_could_send_is_refused(explorer, kind):
    assert explorer.post("fill", FILL, Content_Type=kind).status == 415


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_the_page_has_is_not_given_to_other_sites(explorer, site):
    assert explorer.get("/api/about", Sec_Fetch_Site=site).status == 403
    assert explorer.get("/", Sec_Fetch_Site=site).status == 200  # a link to the page


PATHS = [
    "/nothing",
    "/../params.yaml",
    "/%2e%2e/params.yaml",
    "/page/index.html",
    "/api/",
    "/api/fill/",
    "//etc/passwd",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_other_path_is_there(explorer, path):
    assert explorer.get(path).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_no_other_method_is_there(explorer, method):
    own = {"Host": f"127.0.0.1:{explorer.port}", "Origin": explorer.address, "Content-Type": "application/json"}
    assert explorer.request(method, "/api/about", b"{}", own).status == 405
    assert explorer.get("/api/fill").status == 405


WRONG = {
    "not JSON": ("fill", b"{", "invalid JSON"),
    "not UTF-8": ("fill", b'{"model": 0, "text": "\xff"}', ""),
    "half a surrogate": ("fill", b'{"model": 0, "text": "\\ud800 [MASK]"}', ""),
    "a list": ("fill", [], "object"),
    "no such model": ("fill", FILL | {"model": 2}, "model: there are 2"),
    "a negative model": ("fill", FILL | {"model": -1}, "model: "),
    "a model by its path": ("fill", FILL | {"model": "/etc"}, "model: "),
    "a field that nobody asks for": ("fill", FILL | {"path": "/etc/passwd"}, "path: "),
    "no blank": ("fill", FILL | {"text": "A river"}, "no blank"),
    "too long a text": ("fill", FILL | {"text": "x" * (MAX_CHARACTERS + 1)}, "text: "),
    "more tokens than positions": ("fill", FILL | {"text": "[MASK]" + " river" * 99}, "48 positions"),
    "too many choices": ("fill", FILL | {"top_k": 51}, "top_k: "),
    "no choices": ("fill", FILL | {"top_k": 0}, "top_k: "),
    "a masked model that writes": ("continue", {"model": 1, "prompt": "A"}, "masked"),
    "too many new tokens": ("continue", {"model": 0, "prompt": "A", "max_new_tokens": 257}, "max_new_tokens: "),
    "more new tokens than positions": ("continue", {"model": 0, "prompt": "A", "max_new_tokens": 200}, "48 positions"),
    "steered too far": ("continue", {"model": 0, "prompt": "A", "chosen": [5], "max_new_tokens": 200}, "48 positions"),
    "a token that is none": ("continue", {"model": 0, "prompt": "A", "chosen": [10**6]}, "chosen: "),
    "more chosen than asked for": ("continue", {"model": 0, "prompt": "A", "chosen": [5, 5], "max_new_tokens": 1}, "2"),
    "no such row": ("row", {"model": 0, "split": "train", "row": 10**9}, "rows 0 to"),
    "a huge row": ("row", {"model": 0, "split": "train", "row": 2**63}, "row: "),
    "no such split": ("row", {"model": 0, "split": "../train", "row": 0}, "split: "),
    "a traced id that is none": ("trace", {"model": 0, "text": "A", "ids": [10**6]}, "token id"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_out_of_bounds_is_refused_in_one_line(explorer, case, capsys):
    question, content, told = WRONG[case]
    answer = explorer.post(question, content)
    assert answer.status == 422
    assert told in answer.json["error"]
    assert "\n" not in answer.json["error"]
    assert "--" not in answer.json["error"]
    assert capsys.readouterr().err == ""


def test_a_body_without_bound_is_refused(explorer):
    assert explorer.post("fill", b" " * (MAX_BYTES + 1)).status == 413


GARBAGE = {
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n",
    "no host": b"GET / HTTP/1.0\r\n\r\n",
    "another host in its first line": b"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x1b[2J\r\n\r\n",
    "a control in its path": b"GET /\x1b[2J HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n",
    "a path without end": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n",
}


@pytest.mark.parametrize("case", GARBAGE)
def test_what_is_no_request_is_refused_and_leaves_the_terminal_alone(explorer, case, capsys, caplog):
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=60) as connection:
        connection.sendall(GARBAGE[case].replace(b"{port}", str(explorer.port).encode()))
        answer = connection.recv(1 << 16)
    assert answer.split(maxsplit=2)[1] == b"400"
    assert b"\x1b" not in answer
    assert (capsys.readouterr().err, caplog.records) == ("", [])


def test_questions_to_one_model_wait_for_each_other(explorer, library, monkeypatch):
    model, passes, most = library.models[1].model, threading.Semaphore(1), []
    forward = model.forward

    def alone(*args, **kwargs):
        most.append(passes.acquire(blocking=False))
        try:
            return forward(*args, **kwargs)
        finally:
            passes.release()

    monkeypatch.setattr(model, "forward", alone)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: explorer.post("fill", FILL), range(8)))
    assert {answer.body for answer in answers} == {answers[0].body}
    assert len(most) == 8
    assert all(most)


def test_a_fault_of_the_program_is_told_without_its_traceback(library, monkeypatch, capsys):
    def broken(*_, **__):
        raise ValueError("\x1b[2J a secret")

    monkeypatch.setattr("probes.explorer.answers.fill", broken)
    with explorer_of(library) as explorer:
        answer = explorer.post("fill", FILL)
    assert answer.status == 500
    assert "secret" not in answer.body
    shown = capsys.readouterr().err
    assert "ValueError" in shown
    assert "\x1b" not in shown


def test_a_port_in_use_is_told_with_the_way_out():
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=rf"--port {port}: .*--port 0"):
            listen(port)


def test_nobody_but_this_machine_reaches_it():
    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
