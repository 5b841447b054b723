#!/usr/bin/env python3
"""Makes the stored results of tests/golden_test.cpp from PyTorch and transformers: one small JSON file a model.

By hand, after a wanted change of initial weights, batches or synthetic:markov (needs: pip install torch transformers
h5py):

  tests/golden/make_golden.py build/release/normscope

No weights are stored: normscope makes them again from the seed. Of every initial weight and gradient a file holds
numbers that notice a change: L2 norm, first, middle and last element, and a projection (see `projection`).
"""
import argparse
import json
import math
import pathlib
import tempfile

import numpy as np
import torch

from reference import VERSIONS, Peer, normscope, optimizer, part, read_dump

SIZE = ("--n_layer 2 --n_embd 32 --n_head 4 --block_size 16 --batch_size 4 --init_gain 4 --seed 7 "
        "--data synthetic:markov:tokens=20000")
TRAINING = ("--max_iters 12 --learning_rate 5e-3 --min_lr 1e-3 --warmup_iters 4 --lr_decay_iters 10 --weight_decay 0.1 "
            "--beta1 0.9 --beta2 0.95 --grad_clip 0.5")
MODELS = {
    "gpt_layernorm_biases": "--arch gpt --norm layernorm --norm_bias true --bias true",
    "gpt_layernorm": "--arch gpt --norm layernorm --norm_bias false --bias false",
    "gpt_rmsnorm": "--arch gpt --norm rmsnorm --bias true",
    "llama_rmsnorm": "--arch llama --norm rmsnorm",
    "llama_rmsnorm_gqa": "--arch llama --norm rmsnorm --n_kv_head 2 --tie_weights false",
    "llama_layernorm": "--arch llama --norm layernorm --norm_bias true",
    "qwen3": "--arch llama --norm rmsnorm --n_kv_head 2 --qk_norm rmsnorm",
    "olmo2": "--arch llama --norm rmsnorm --n_kv_head 2 --qk_norm rmsnorm:whole=true --norm_placement out "
             "--tie_weights false",
    "gemma2": "--arch llama --norm rmsnorm:unit_offset=true --n_kv_head 2 --norm_placement peri --activation geglu_tanh "
              "--embed_scale sqrt --attn_softcap 5 --logit_softcap 3",
}
STEP = 2


def projection(x):
    """sum_i w_i x_i / |w| with w_i = ((i * 2654435761) mod 2^32) / 2^31 - 1: the same in C++ to the last bits."""
    x = np.asarray(x, dtype="float64").ravel()
    w = (np.arange(x.size, dtype="uint64") * 2654435761 % 2**32) / 2.0**31 - 1
    return float(w @ x / np.linalg.norm(w))


def summary(x):
    x = np.asarray(x, dtype="float64").ravel()
    return {"norm": float(np.linalg.norm(x)), "projection": projection(x),
            "entries": [float(x[i]) for i in (0, x.size // 2, x.size - 1)]}


def learning_rate(config, step):
    """nanoGPT's get_lr."""
    warmup, end, low = config["warmup_iters"], config["lr_decay_iters"], config["min_lr"]
    if step < warmup:
        return config["learning_rate"] * (step + 1) / (warmup + 1)
    if step > end:
        return low
    return low + 0.5 * (1 + math.cos(math.pi * (step - warmup) / (end - warmup))) * (config["learning_rate"] - low)


def train(peer, batches):
    """Loss and global gradient norm (before clipping) of each step in PyTorch."""
    adamw, losses, norms = optimizer(peer), [], []
    for k, batch in enumerate(batches):
        for group in adamw.param_groups:
            group["lr"] = learning_rate(peer.config, k)
        peer.model.zero_grad(set_to_none=True)
        loss, _ = peer.loss(batch["tokens"], batch["targets"])
        loss.backward()
        if not all(w.grad is not None for w in peer.trained()):
            raise SystemExit("a parameter has no gradient")
        norms.append(float(torch.nn.utils.clip_grad_norm_(peer.trained(), peer.config["grad_clip"])))
        adamw.step()
        losses.append(loss.item())
    return {"loss": losses, "grad_norm": norms}


def make(binary, name, folder):
    flags = [*SIZE.split(), *MODELS[name].split(), *TRAINING.split()]
    common = [*flags, "--dtype", "float64", "--threads", "1", "--quiet"]

    def dump(step, *more):
        out = folder / f"{name}{step}{len(more)}.h5"
        normscope(binary, "dump", *common, "--step", step, "--out", out, *more)
        return read_dump(out)

    whole = dump(STEP)
    theirs = Peer(whole).step(whole["tokens"], whole["targets"])
    batches = [dump(k, "--only", "tokens,targets") for k in range(whole["config"]["max_iters"])]
    return {"format": "normscope-golden", "peer": VERSIONS, "flags": " ".join(flags), "step": STEP,
            "tokens": projection(whole["tokens"]), "targets": projection(whole["targets"]),
            "weights": {path: summary(x) for path, x in part(whole, "params").items()},
            "loss": theirs["loss"], "logits": summary(theirs["logits"]),
            "grads": {path: summary(g) for path, g in theirs["grads"].items()},
            "residual_grads": {name: summary(g) for name, g in theirs["residual_grads"].items()},
            "training": train(Peer(whole), batches)}


def write(path, document):
    """One line a tensor, so that a diff can be read."""
    lines = []
    for key, value in document.items():
        if isinstance(value, dict) and key not in ("peer", "logits", "training"):
            inner = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            lines.append(f"  {json.dumps(key)}: {{\n{inner}\n  }}")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the normscope program")
    parser.add_argument("--out_dir", default=str(pathlib.Path(__file__).resolve().parent))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            path = pathlib.Path(arguments.out_dir) / f"{name}.json"
            write(path, make(arguments.binary, name, pathlib.Path(folder)))
            print(path)


if __name__ == "__main__":
    main()
