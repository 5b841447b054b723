#include <normscope/models/model.h>

#include <algorithm>

#include <normscope/ops/ops.h>

#include "core/choices.h"
#include "core/parallel.h"

NORMSCOPE_BEGIN

Batch Batch::narrow(std::int64_t first, std::int64_t count) const {
  const auto cut = [&](const auto& tensor) { return tensor.defined() ? tensor.narrow(first, count) : tensor; };
  return {cut(tokens), cut(targets), cut(features)};
}

Variable Model::loss_of(const Variable& logits, const Batch& batch) const {
  return cross_entropy(logits, batch.targets);
}

double Model::flops(std::int64_t predictions) const {
  double forward = 0;
  for (const ProductShape& p : products()) forward += 2.0 * static_cast<double>(p.in * p.out * p.count);
  return 3 * forward * static_cast<double>(predictions);
}

std::int64_t part_of_batch(std::int64_t items, std::int64_t predictions_an_item) {
  constexpr std::int64_t kPredictions = 2048;  // of activations in memory at once
  const std::int64_t fit = std::max<std::int64_t>(1, kPredictions / predictions_an_item);
  return parts(items, parts(items, fit));
}

#define MODEL(name) ModelEntry model_##name();
#include "models/models.def"
#undef MODEL

const std::vector<ModelEntry>& model_table() {
  static const std::vector<ModelEntry> table{
#define MODEL(name) model_##name(),
#include "models/models.def"
#undef MODEL
  };
  return table;
}

std::unique_ptr<Model> make_model(Engine& engine, const ModelOptions& options, std::uint64_t seed) {
  return entry_named(model_table(), "arch", options.arch).make(engine, options, seed);
}

NORMSCOPE_END
