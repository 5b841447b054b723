#pragma once
// What a model is made from: a plain struct, no parsing.
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <normscope/core/norm_spec.h>

namespace normscope {

/// What the data asks of a model: V classes (the vocabulary), and the width D of a sample (0: tokens).
struct DataShape {
  std::int64_t classes = 0, features = 0;
};

/// What one block has of its own; what is unset is the model's.
struct BlockOptions {
  std::optional<NormSpec> attn_norm{}, mlp_norm{};
  std::string placement{};  ///< "": the model's
};

struct ModelOptions {
  std::string arch = "gpt";       ///< a name of models.def
  std::int64_t features = 0;      ///< width D of a sample; token models have none
  bool learned_positions = true;  ///< gpt; false: RoPE (llama)
  std::int64_t n_layer = 4, n_head = 4, n_kv_head = 4, n_embd = 128, n_inner = 512, block_size = 64, vocab_size = 65;
  bool bias = false;
  double dropout = 0;
  std::string activation = "gelu";
  bool tie_weights = true;
  double rope_theta = 10000;
  std::string init = "auto";             ///< a name of inits.def; auto: the placement's own
  double init_gain = 1, init_shift = 0;  ///< every initial matrix W becomes gain W + shift
  NormSpec norm{};
  std::map<std::int64_t, BlockOptions> block{};
  std::string placement = "pre";                    ///< a name of placements.def or a formula
  std::optional<bool> final_norm{};                 ///< unset: what the placement says
  std::optional<NormSpec> final_norm_spec{};        ///< unset: norm
  std::optional<HeadNormSpec> qk_norm{}, v_norm{};  ///< of each query, key and value head; unset: none
  std::optional<NormSpec> embed_norm{};             ///< of the embedding, positions included; unset: none
  double embed_scale = 1;                           ///< factor on the embedding, behind its norm
  bool train_embed_scale = false;                   ///< the factor is a parameter that starts at embed_scale
  double attn_softcap = 0, logit_softcap = 0;       ///< z becomes cap tanh(z / cap) (Gemma 2); 0: off
};

}  // namespace normscope
