#pragma once
// Counting work: "Useful FLOPs of a step" of the interface.
#include <cstdint>
#include <vector>

#include <normscope/core/model_options.h>
#include <normscope/core/precision.h>

NORMSCOPE_BEGIN

/// `count` linear maps of one shape.
struct ProductShape {
  std::int64_t in, out, count;
};
/// All linear maps of a model, the head included.
std::vector<ProductShape> linear_products(const ModelOptions& options);
/// Three times the forward's matrix products and causal attention (2 T (T + 1) C a layer and sequence).
double flops_per_step(const ModelOptions& options, std::int64_t tokens);

NORMSCOPE_END
