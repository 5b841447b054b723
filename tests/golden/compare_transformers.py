#!/usr/bin/env python3
"""Compares `normscope dump` with PyTorch and transformers: loss, logits, every gradient, the residual stream.

By hand, not in CI (needs: pip install torch transformers h5py):

  tests/golden/compare_transformers.py build/release/normscope
  tests/golden/compare_transformers.py build/release/normscope --data text.txt --only gqa --verbose

Each model is compared with its initial weights (weak attention gradients), with weights five times as large, and
after 30 training steps (biases and gains that are not 0 and 1), in float32 and float64; the reference is float64.
Tolerances, relative: loss 1e-5, everything else 1e-4 (norm of the difference over norm). A gradient that is zero by
identity (a key bias without rotary positions) may reach 1e-6 of the global gradient norm. Exit 4 on a failure.
"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np

LOSS_TOLERANCE, TOLERANCE, ZERO = 1e-5, 1e-4, 1e-6
COMMON = "--n_layer 3 --n_embd 48 --n_head 4 --block_size 32 --batch_size 4 --threads 1 --quiet"
MODELS = {
    "gpt layernorm, biases": "--arch gpt --norm layernorm --bias true --norm_bias true",
    "gpt layernorm, norm bias only": "--arch gpt --norm layernorm --bias false --norm_bias true",
    "gpt layernorm, no biases": "--arch gpt --norm layernorm --bias false --norm_bias false",
    "gpt rmsnorm": "--arch gpt --norm rmsnorm --bias true",
    "gpt layernorm, tanh gelu, untied": "--arch gpt --norm layernorm --activation gelu_tanh --tie_weights false",
    "llama rmsnorm": "--arch llama --norm rmsnorm",
    "llama rmsnorm, gqa 4:2": "--arch llama --norm rmsnorm --n_kv_head 2",
    "llama rmsnorm, gqa 4:1, biases": "--arch llama --norm rmsnorm --n_kv_head 1 --bias true",
    "llama layernorm": "--arch llama --norm layernorm",
    "qwen 3": "--arch llama --norm rmsnorm --qk_norm rmsnorm --n_kv_head 2",
    "olmo 2": "--arch llama --norm rmsnorm --qk_norm rmsnorm:whole=true --norm_placement out --tie_weights false",
    "gemma 2": "--arch llama --norm rmsnorm:unit_offset=true --n_kv_head 2 --norm_placement peri "
               "--activation geglu_tanh --embed_scale sqrt --attn_softcap 50 --logit_softcap 30",
    "gemma 2, low caps": "--arch llama --norm rmsnorm:unit_offset=true --norm_placement peri "
                         "--activation geglu_tanh --embed_scale sqrt --attn_softcap 1.5 --logit_softcap 2",
    "llama rmsnorm, untied, theta 500": "--arch llama --norm rmsnorm --tie_weights false --rope_theta 500",
}
VARIANTS = ("initial", "gain 5", "trained")


def dump(binary, data, model, variant, dtype, folder, index):
    """Writes the dump of one case; `trained` goes through a run of 30 steps."""
    from reference import normscope, read_dump
    flags = [*COMMON.split(), *MODELS[model].split(), "--dtype", dtype, "--data", data]
    out = folder / f"{index}.h5"
    if variant == "gain 5":
        flags += ["--init_gain", "5"]
    if variant == "trained":
        run = folder / f"run{index}"
        normscope(binary, "train", *flags, "--max_iters", 30, "--learning_rate", 1e-2, "--warmup_iters", 5,
                  "--eval_interval", 0, "--out_dir", run)
        flags += ["--init_from", run]
    normscope(binary, "dump", *flags, "--step", 3, "--out", out)
    return read_dump(out)


def compare(found):
    """[(what, error, tolerance)] of one dump."""
    from reference import Peer, distance, part
    theirs = Peer(found).step(found["tokens"], found["targets"])
    rows = [("loss", abs(float(found["loss"]) - theirs["loss"]) / abs(theirs["loss"]), LOSS_TOLERANCE),
            ("logits", distance(found["logits"], theirs["logits"]), TOLERANCE)]
    ours, grads = part(found, "grads"), theirs["grads"]
    overall = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
    if set(ours) != set(grads):
        raise SystemExit(f"gradients of different parameters: {sorted(set(ours) ^ set(grads))}")
    for path, g in grads.items():
        if np.linalg.norm(g) < 1e-2 * ZERO * overall:
            rows.append((f"grad {path} (zero)", np.linalg.norm(ours[path]) / overall, ZERO))
        else:
            rows.append((f"grad {path}", distance(ours[path], g), TOLERANCE))
    for group in ("residual", "residual_grads"):
        mine = part(found, group)
        if set(mine) != set(theirs[group]):
            raise SystemExit(f"/{group} of different points: {sorted(set(mine) ^ set(theirs[group]))}")
        rows += [(f"{group} {name}", distance(mine[name], x), TOLERANCE) for name, x in theirs[group].items()]
    return rows


def worst(rows, start):
    return max((row for row in rows if row[0].startswith(start + " ") or row[0] == start), key=lambda r: r[1] / r[2])


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the normscope program")
    parser.add_argument("--data", default=str(root / "../shared/data/tinyshakespeare/input.txt"),
                        help="text file, or synthetic:markov")
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--verbose", action="store_true", help="every number")
    arguments = parser.parse_args()
    from reference import VERSIONS
    print(", ".join(f"{name} {version}" for name, version in VERSIONS.items()))
    print(f"{'model':34} {'weights':8} {'dtype':8} {'loss':>8} {'logits':>8} {'stream':>8} {'its grad':>8} "
          f"{'gradients':>9}  worst gradient")
    failures = cases = 0
    with tempfile.TemporaryDirectory() as name:
        for model in [m for m in MODELS if arguments.only in m]:
            for variant in VARIANTS:
                for dtype in ("float32", "float64"):
                    cases += 1
                    rows = compare(dump(arguments.binary, arguments.data, model, variant, dtype, pathlib.Path(name),
                                        cases))
                    bad = [row for row in rows if not row[1] <= row[2]]
                    failures += bool(bad)
                    columns = [worst(rows, start) for start in ("loss", "logits", "residual", "residual_grads", "grad")]
                    print(f"{model:34} {variant:8} {dtype:8} " + " ".join(f"{c[1]:8.1e}" for c in columns)
                          + f"   {columns[-1][0][5:]}{'  FAILED' if bad else ''}", flush=True)
                    for what, error, tolerance in rows if arguments.verbose else bad:
                        print(f"    {what}: {error:.2e} (tolerance {tolerance:.0e})"
                              f"{'' if error <= tolerance else ' FAILED'}")
    if not cases:
        raise SystemExit(f"no model's name contains '{arguments.only}'; there are: {'; '.join(MODELS)}")
    print(f"{cases} cases, {failures} failed")
    return 4 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
