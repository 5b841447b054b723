#include "kernels/row_norm.h"

#include <algorithm>

#include "core/parallel.h"
#include <normscope/core/tensor.h>

#include "kernels/kernels.h"

NORMSCOPE_BEGIN
namespace kernels {

namespace {
constexpr std::int64_t kRows = 64;

/// Whether [rows, width] at `to` is better written past the caches: what is larger than they are is gone from them
/// before anyone reads it, and a plain store would have fetched every line first.
bool streams(const real* to, std::int64_t rows, std::int64_t width) {
  constexpr std::int64_t kLine = 64 / sizeof(real), kLarge = (std::int64_t{8} << 20) / sizeof(real);
  return rows * width >= kLarge && width % kLine == 0 && reinterpret_cast<std::uintptr_t>(to) % 64 == 0;
}
}  // namespace

void row_norm_forward(Engine& engine, const RowNormKernel& kernel, RowNormForward call, std::int64_t rows) {
  call.stream = call.groups.group == 0 && streams(call.y, rows, call.width);
  parallel_ranges(engine, rows, kRows, [&](auto begin, auto end) { kernel.forward(call, begin, end); });
}

void row_norm_backward(Engine& engine, const RowNormKernel& kernel, RowNormBackward call, std::int64_t rows,
                       bool add_gain, bool add_bias) {
  call.stream = call.groups.group == 0 && !call.add && streams(call.dh, rows, call.width);
  const std::int64_t tiles = parts(rows, kRows), width = call.width;
  const std::int64_t vectors = (call.dgain != nullptr) + (call.dbias != nullptr);
  const Tensor partial = Tensor::empty(engine, {tiles, vectors * width});
  const auto scalars = BasicTensor<double>::full(engine, {tiles, kRowNormScalars}, 0.0);
  parallel_ranges(engine, rows, kRows, [&](auto begin, auto end) {
    RowNormBackward tile = call;
    real* sums = partial.data() + begin / kRows * vectors * width;
    std::fill_n(sums, vectors * width, real{0});  // here, where they are used: lines travel slowly between cores
    if (call.dgain) tile.dgain = sums;
    if (call.dbias) tile.dbias = sums + (call.dgain ? width : 0);
    if (call.dscalars) tile.dscalars = scalars.data() + begin / kRows * kRowNormScalars;
    kernel.backward(tile, begin, end);
  });
  if (engine.dry()) return;
  const auto combine = [&](std::int64_t vector, real* to, bool add) {
    add_rows(partial.data() + vector * width, vectors * width, to, add, tiles, width);
  };
  if (call.dgain) combine(0, call.dgain, add_gain);
  if (call.dbias) combine(vectors - 1, call.dbias, add_bias);
  if (!call.dscalars) return;
  std::fill_n(call.dscalars, kRowNormScalars, 0.0);
  for (std::int64_t i = 0; i < tiles * kRowNormScalars; ++i) call.dscalars[i % kRowNormScalars] += scalars.data()[i];
}

}  // namespace kernels
NORMSCOPE_END
