"""The record of a training, with hostile text wherever text comes from outside."""

# It would set the page's title if it ran, break out of text, of an attribute and of a style, and clear a terminal.
HOSTILE = (
    "<script>document.title='ran'</script></style><img src=x onerror=\"document.title='ran'\"> \"'>& \x1b[2J \u202e"
)


def training(kind):
    """The content of a training.json."""
    history = [
        {"step": step, "epoch": step / 10, "loss": 6 - step / 20, "learning_rate": 0.1} for step in range(10, 101, 10)
    ]
    for point in history[1::2]:
        point |= {"validation_loss": 4 + abs(point["step"] - 40) / 30, "perplexity": 55.0, "sample": HOSTILE}
    return {
        "format": 1, "objective": kind, "steps": 100, "planned_steps": 100, "epochs": 10.0, "tokens": 51200,
        "parameters": 39296, "loss": 1.0, "mean_loss": 3.25, "validation_loss": 6.0, "lowest_validation_loss": 4.0,
        "lowest_validation_step": 40, "settings": {"layers": 2}, "history": history,
    }  # fmt: skip
