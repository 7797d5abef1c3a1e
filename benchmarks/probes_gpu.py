"""Ask a model the same on the CPU and on a CUDA device, and compare: `python -m benchmarks.probes_gpu --model MODEL`.

For a machine that has such a device; takes a minute. Beside torch, transformers and pyarrow it needs pydantic,
ruamel.yaml and wcwidth. On an H100 all three agree.
"""

import argparse

import torch

from probes.generation import Decoding, continue_prompts, continue_rows, layer_logits
from probes.model import load
from probes.settings import Machine
from wikilm.errors import RunError

PROMPTS = ("The river", "A", "The lighthouse keeper counted the ships that passed before dawn", "Copper")
CLOSE = {"float32": 1e-2, "bfloat16": 1.0, "float16": 0.2}  # of two logits


def check(name: str, dtype: str) -> str:
    """Return what came of the comparison, in a line: "ok" first, or what is wrong."""
    near, far = load(name, Machine("cpu", "float32")), load(name, Machine("cuda", dtype))  # type: ignore[arg-type]
    ids = near.encode(PROMPTS[2]).ids
    logits = [near.tensor([ids]), far.tensor([ids])]
    with torch.inference_mode():
        one, other = (
            loaded.ranked(loaded.model(input_ids=inputs).logits).cpu()
            for loaded, inputs in zip((near, far), logits, strict=True)
        )
    apart = float((one - other)[one.isfinite()].abs().max())
    places = torch.zeros_like(logits[1], dtype=torch.bool)
    places[0, -1] = True
    chosen = far.ranked(far.logits_at(logits[1], places)).cpu()[0]
    apart = max(apart, float((one[0, -1] - chosen)[chosen.isfinite()].abs().max()))
    layers = layer_logits(far, {"input_ids": far.tensor([ids])}, [-1])
    drawn = continue_prompts(far, PROMPTS, 16, Decoding(temperature=0.8, top_p=0.9, seed=1), shown=3)
    parted = [made.parting for made in drawn if made.parting is not None and not made.parting.is_tie]
    rows = continue_rows(far, [ids] * 64, 8, 64)
    on_device = {layers.device.type, rows.device.type} == {"cuda"}
    verdict = "ok" if apart <= CLOSE[dtype] and on_device and not parted else "FAILED"
    return f"{verdict}: logits differ by at most {apart:.3g}; generate() parts at {len(parted)} of {len(drawn)} prompts"


def main() -> None:
    """Print a line for each kind of numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="models/causal", help="a causal model")
    args = parser.parse_args()
    for dtype in CLOSE:
        try:
            print(f"{dtype}: {check(args.model, dtype)}", flush=True)
        except RunError as error:
            print(f"{dtype}: FAILED: {error}", flush=True)


if __name__ == "__main__":
    main()
