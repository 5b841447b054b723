#include "models/flops.h"

NORMSCOPE_BEGIN

std::vector<ProductShape> linear_products(const ModelOptions& o) {
  const std::int64_t kv = o.n_embd / o.n_head * o.n_kv_head;
  const std::int64_t expand = o.activation == "swiglu" ? 2 * o.n_inner : o.n_inner;
  return {{o.n_embd, o.n_embd + 2 * kv, o.n_layer},
          {o.n_embd, o.n_embd, o.n_layer},
          {o.n_embd, expand, o.n_layer},
          {o.n_inner, o.n_embd, o.n_layer},
          {o.n_embd, o.vocab_size, 1}};
}

double flops_per_step(const ModelOptions& o, std::int64_t tokens) {
  double forward = 0;
  for (const ProductShape& p : linear_products(o)) forward += 2.0 * static_cast<double>(p.in * p.out * p.count);
  forward += 2.0 * static_cast<double>((o.block_size + 1) * o.n_embd * o.n_layer);  // attention, a token
  return 3 * forward * static_cast<double>(tokens);
}

NORMSCOPE_END
