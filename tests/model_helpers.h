#pragma once
// What the tests of models share: options of presets, batches of random tokens, one pass forward or back.
#include <normscope/models/transformer.h>

#include <map>

#include "config/config.h"
#include "config/options.h"
#include "real_helpers.h"

namespace normscope::real_test {

using Names = std::vector<std::string>;

/// Options of a preset (or of plain keys) as a run would have them.
inline ModelOptions options_of(const std::string& preset, const std::map<std::string, std::string>& keys = {},
                               std::int64_t vocab = 65) {
  Config config;
  if (!preset.empty()) config.load_preset(preset);
  for (const auto& [key, value] : keys) config.set(key, value, "--" + key);
  config.resolve();
  return model_options(config, {.classes = vocab});
}
inline const std::map<std::string, std::string> kSmall{
    {"n_layer", "3"}, {"n_embd", "16"}, {"n_head", "4"}, {"block_size", "12"}};
inline ModelOptions small(std::map<std::string, std::string> keys) {
  keys.insert(kSmall.begin(), kSmall.end());
  return options_of("", keys, 11);
}

inline Indices random_tokens(Engine& where, std::int64_t batch, std::int64_t time, std::int64_t vocab,
                             std::uint64_t seed) {
  const Indices tokens = Indices::empty(where, {batch, time});
  const Random random(seed, Purpose::random_tokens, 7);
  for (std::int64_t i = 0; i < tokens.numel(); ++i)
    tokens.data()[i] =
        static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(vocab)));
  return tokens;
}

inline double forward_loss(const Transformer& model, std::uint64_t seed = 1, std::int64_t batch = 2) {
  const NoGrad guard;
  const ModelOptions& o = model.options();
  const Batch b{random_tokens(engine(), batch, o.block_size, o.vocab_size, seed),
                random_tokens(engine(), batch, o.block_size, o.vocab_size, seed + 1),
                {}};
  return static_cast<double>(model.loss(b, {}).item());
}
inline void backward(const Transformer& model, Pass pass, Observer* observer = nullptr, std::int64_t batch = 2,
                     bool fresh = true) {
  const ModelOptions& o = model.options();
  if (fresh) model.parameters().zero_grad();
  Tape tape;
  pass.observer = observer;
  const Tape::Recording recording(tape);
  const Batch b{random_tokens(engine(), batch, o.block_size, o.vocab_size, 1),
                random_tokens(engine(), batch, o.block_size, o.vocab_size, 2),
                {}};
  tape.backward(model.loss(b, pass));
}
inline std::vector<double> row_of(const real* from, std::int64_t count) {
  std::vector<double> row;
  for (std::int64_t i = 0; i < count; ++i) row.push_back(static_cast<double>(from[i]));
  return row;
}

inline Names names_of(const ModelOptions& options) {
  const Transformer model(engine(), options, 1);
  Names names;
  for (const Parameter& p : model.parameters().all()) names.push_back(p.path);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace normscope::real_test
