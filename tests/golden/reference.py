"""The other side of the comparison: a `normscope dump` file computed again by PyTorch and transformers.

The model classes are transformers' own (GPT-2, LLaMA, Qwen 3, OLMo 2, Gemma 2; eager attention), in float64 whatever
the dump's precision (all but GPT-2 still take softmax, RMSNorm and angles through float32: about 1e-7). A norm that
such a class does not come with (GPT with RMSNorm, LLaMA with LayerNorm) is put in as PyTorch's module.
"""
import contextlib
import io
import json
import os
import subprocess

import h5py
import numpy as np
import torch
import torch.nn.functional as F

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import transformers
from transformers import (Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM,
                          Olmo2Config, Olmo2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

# What a class has of the keys that the others leave at PLAIN; the names of a block's norms; whose input is the stream.
PLAIN = {"norm_placement": "pre", "qk_norm": "none", "v_norm": "none", "embed_norm": "none", "embed_scale": "1",
         "attn_softcap": 0, "logit_softcap": 0}
LLAMA_NORMS = {"attn_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
FAMILIES = {
    "gpt": {"keys": {"arch": "gpt"}, "norms": {"attn_norm": "ln_1", "mlp_norm": "ln_2"}},
    "llama": {"keys": {"arch": "llama"}, "classes": (LlamaConfig, LlamaForCausalLM), "norms": LLAMA_NORMS},
    "qwen3": {"keys": {"arch": "llama", "norm": "rmsnorm", "qk_norm": "rmsnorm"},
              "classes": (Qwen3Config, Qwen3ForCausalLM), "norms": LLAMA_NORMS},
    "olmo2": {"keys": {"arch": "llama", "norm": "rmsnorm", "qk_norm": "rmsnorm:whole=true", "norm_placement": "out"},
              "classes": (Olmo2Config, Olmo2ForCausalLM), "stream": ("", "mlp"),
              "norms": {"attn_post_norm": "post_attention_layernorm", "mlp_post_norm": "post_feedforward_layernorm"}},
    "gemma2": {"keys": {"arch": "llama", "norm": "rmsnorm:unit_offset=true", "norm_placement": "peri",
                        "activation": "geglu_tanh", "embed_scale": "sqrt", "attn_softcap": None,
                        "logit_softcap": None},
               "classes": (Gemma2Config, Gemma2ForCausalLM),
               "stream": ("input_layernorm", "pre_feedforward_layernorm"),
               "norms": {"attn_norm": "input_layernorm", "attn_post_norm": "post_attention_layernorm",
                         "mlp_norm": "pre_feedforward_layernorm", "mlp_post_norm": "post_feedforward_layernorm"}},
}
ACTIVATION = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "silu": "silu"}
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__}


def normscope(binary, *arguments):
    """Runs the program; returns its --json document. A failure ends the script with the program's own message."""
    done = subprocess.run([binary, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join([binary, *map(str, arguments)])}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def read_dump(path):
    """The dump as {"config": dict, dataset path: array}."""
    found = {}
    with h5py.File(path, "r") as file:
        found["config"] = json.loads(file.attrs["config_json"])
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def part(dump, group):
    """{path: array} of one group of the dump."""
    return {name[len(group) + 1:]: value for name, value in dump.items() if name.startswith(group + "/")}


class Peer:
    """transformers' model of a dump's configuration, with the dump's parameters in it."""

    def __init__(self, dump):
        config, parameters = dump["config"], part(dump, "params")
        found = [name for name, family in FAMILIES.items()
                 if all(want is None or config[key] == want for key, want in (PLAIN | family["keys"]).items())]
        if not found or config["block"] or config["dropout"]:
            raise SystemExit(f"reference.py knows {', '.join(FAMILIES)}, all blocks alike and without dropout")
        self.config, self.name, self.family = config, found[0], FAMILIES[found[0]]
        vocabulary = parameters["embed.tokens"].shape[0]
        with contextlib.redirect_stdout(io.StringIO()):
            self.model = (self._gpt if self.name == "gpt" else self._llama)(vocabulary)
        self.model.set_attn_implementation("eager")
        self.model.double().eval()
        self._replace_norms()
        self.slots = self._slots()
        self._load(parameters)

    def _gpt(self, vocabulary):
        c = self.config
        return GPT2LMHeadModel(GPT2Config(
            vocab_size=vocabulary, n_positions=c["block_size"], n_embd=c["n_embd"], n_layer=c["n_layer"],
            n_head=c["n_head"], n_inner=c["n_inner"], activation_function=ACTIVATION[c["activation"]],
            layer_norm_epsilon=c["norm_eps"], tie_word_embeddings=c["tie_weights"], use_cache=False,
            bos_token_id=None, eos_token_id=None))

    def _llama(self, vocabulary):
        c = self.config
        settings, model = self.family["classes"]
        width = c["n_embd"] // c["n_head"]
        more = {"llama": {"mlp_bias": c["bias"], "hidden_act": "silu"},
                "qwen3": {"head_dim": width, "hidden_act": "silu"},
                "olmo2": {"hidden_act": "silu"},
                "gemma2": {"head_dim": width, "query_pre_attn_scalar": width,
                           "hidden_activation": "gelu_pytorch_tanh", "attn_logit_softcapping": c.get("attn_softcap"),
                           "final_logit_softcapping": c.get("logit_softcap")}}[self.name]
        return model(settings(
            vocab_size=vocabulary, max_position_embeddings=c["block_size"], hidden_size=c["n_embd"],
            intermediate_size=c["n_inner"], num_hidden_layers=c["n_layer"], num_attention_heads=c["n_head"],
            num_key_value_heads=c["n_kv_head"], rms_norm_eps=c["norm_eps"], attention_bias=c["bias"],
            tie_word_embeddings=c["tie_weights"], use_cache=False, bos_token_id=None, eos_token_id=None,
            pad_token_id=None,  # its row of the embedding would get no gradient
            rope_parameters={"rope_type": "default", "rope_theta": c["rope_theta"]}, **more))

    def _body(self):
        """The model without its head, and its blocks."""
        body = self.model.transformer if self.name == "gpt" else self.model.model
        return body, body.h if self.name == "gpt" else body.layers

    def _norm_slots(self):
        """[(our path, owner module, attribute)], in the order of the network."""
        body, blocks = self._body()
        slots = [(f"blocks.{i}.{ours}", block, theirs)
                 for i, block in enumerate(blocks) for ours, theirs in self.family["norms"].items()]
        return slots + [("final_norm", body, "ln_f" if self.name == "gpt" else "norm")]

    def _stream(self):
        """The modules whose input is the residual stream, in its order; the output of the last is its end."""
        _, blocks = self._body()
        names = self.family.get("stream", tuple(self.family["norms"].values()))
        _, owner, last = self._norm_slots()[-1]
        return [block.get_submodule(name) for block in blocks for name in names] + [getattr(owner, last)]

    def _replace_norms(self):
        name, width, eps = self.config["norm"], self.config["n_embd"], self.config["norm_eps"]
        if self.name not in ("gpt", "llama") or (self.name, name) in {("gpt", "layernorm"), ("llama", "rmsnorm")}:
            return
        make = {"layernorm": torch.nn.LayerNorm, "rmsnorm": torch.nn.RMSNorm}[name]
        for _, owner, attribute in self._norm_slots():
            setattr(owner, attribute, make(width, eps=eps).double())

    def _slots(self):
        """{our path: (their parameter, view of ours in it)}; Conv1D keeps [in, out] and q, k, v side by side."""
        width, slots = self.config["n_embd"], {}

        def linear(path, module):
            slots[path + ".weight"] = (module.weight, lambda w: w)
            slots[path + ".bias"] = (module.bias, lambda b: b)

        def conv1d(path, module, part=slice(None)):
            slots[path + ".weight"] = (module.weight, lambda w: w[:, part].T)
            slots[path + ".bias"] = (module.bias, lambda b: b[part])

        for path, owner, attribute in self._norm_slots():
            norm = getattr(owner, attribute)
            slots[path + ".gain"] = (norm.weight, lambda w: w)
            slots[path + ".bias"] = (getattr(norm, "bias", None), lambda w: w)
        slots["head.weight"] = (self.model.lm_head.weight, lambda w: w)
        body, blocks = self._body()
        if self.name == "gpt":
            slots["embed.tokens"] = (body.wte.weight, lambda w: w)
            slots["embed.positions"] = (body.wpe.weight, lambda w: w)
            for i, block in enumerate(blocks):
                for k, letter in enumerate("qkv"):
                    conv1d(f"blocks.{i}.attn.{letter}", block.attn.c_attn, slice(k * width, (k + 1) * width))
                conv1d(f"blocks.{i}.attn.proj", block.attn.c_proj)
                conv1d(f"blocks.{i}.mlp.fc", block.mlp.c_fc)
                conv1d(f"blocks.{i}.mlp.proj", block.mlp.c_proj)
        else:
            slots["embed.tokens"] = (body.embed_tokens.weight, lambda w: w)
            for i, layer in enumerate(blocks):
                attention, mlp = layer.self_attn, layer.mlp
                for name, module in (("attn.q", attention.q_proj), ("attn.k", attention.k_proj),
                                     ("attn.v", attention.v_proj), ("attn.proj", attention.o_proj),
                                     ("mlp.gate", mlp.gate_proj), ("mlp.up", mlp.up_proj), ("mlp.proj", mlp.down_proj)):
                    linear(f"blocks.{i}.{name}", module)
                for name in ("q_norm", "k_norm") if self.config["qk_norm"] != "none" else ():
                    slots[f"blocks.{i}.attn.{name}.gain"] = (getattr(attention, name).weight, lambda w: w)
        return {path: slot for path, slot in slots.items() if slot[0] is not None}

    def _load(self, parameters):
        """Every parameter of ours has its place; a bias of theirs that we lack is zero and is not trained."""
        tied = {"head.weight"} if self.config["tie_weights"] else set()
        with torch.no_grad():
            for path, (theirs, view) in self.slots.items():
                if path in parameters:
                    view(theirs).copy_(torch.from_numpy(parameters[path]))
                elif path.endswith(".bias"):
                    view(theirs).zero_()
                elif path not in tied:
                    raise SystemExit(f"the dump has no parameter {path}, which transformers' model needs")
        unknown = sorted(set(parameters) - set(self.slots))
        if unknown:
            raise SystemExit(f"transformers' model has no place for {', '.join(unknown)}")
        self.paths = sorted(parameters)

    def trained(self):
        """Their parameters that hold one of ours (a bias we lack is left out)."""
        return list({id(self.slots[path][0]): self.slots[path][0] for path in self.paths}.values())

    def loss(self, tokens, targets):
        """Mean cross-entropy on given targets (transformers' own loss would shift them); and the logits."""
        logits = self.model(input_ids=torch.from_numpy(tokens.astype("int64"))).logits
        return F.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets.astype("int64")).flatten()), logits

    def gradients(self):
        return {path: self.slots[path][1](self.slots[path][0].grad).numpy() for path in self.paths}

    def step(self, tokens, targets):
        """One forward and backward: loss, logits, gradients, residual stream and its gradients, named as in a dump."""
        stream, hooks = {}, []

        def keep(name, x):
            x.retain_grad()
            stream[name] = x

        modules = self._stream()
        for r, module in enumerate(modules):
            hooks.append(module.register_forward_pre_hook(lambda _, x, name=f"residual.{r}": keep(name, x[0])))
        hooks.append(module.register_forward_hook(lambda _, x, y, name=f"residual.{len(modules)}": keep(name, y)))
        self.model.zero_grad(set_to_none=True)
        loss, logits = self.loss(tokens, targets)
        loss.backward()
        for hook in hooks:
            hook.remove()
        return {"loss": loss.item(), "logits": logits.detach().numpy(), "grads": self.gradients(),
                "residual": {name: x.detach().numpy() for name, x in stream.items()},
                "residual_grads": {name: x.grad.numpy() for name, x in stream.items()}}


def optimizer(peer):
    """AdamW with the dump's settings: decay on matrices only."""
    c, weights = peer.config, peer.trained()
    groups = [{"params": [w for w in weights if w.ndim >= 2], "weight_decay": c["weight_decay"]},
              {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=c["learning_rate"], betas=(c["beta1"], c["beta2"]), eps=1e-8)


def distance(ours, theirs, floor=0.0):
    """||ours - theirs|| / ||theirs||; where theirs is below `floor` it counts as zero and `floor` takes its place."""
    ours, theirs = np.asarray(ours, dtype="float64"), np.asarray(theirs, dtype="float64")
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes {ours.shape} and {theirs.shape} differ")
    scale = max(np.linalg.norm(theirs), floor, np.finfo(float).tiny)
    error = np.linalg.norm(ours - theirs) / scale
    return error if np.isfinite(error) else np.inf
