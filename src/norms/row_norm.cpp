#include "norms/row_norm.h"

#include <algorithm>

#include <normscope/norms/packed_norm.h>

#include "core/parallel.h"
#include "ops/check.h"

NORMSCOPE_BEGIN

namespace {

class RowNorm final : public ComposedNorm {
 public:
  RowNorm(const NormRequest& request, const kernels::RowNormKernel& kernel, NormFormula formula)
      : ComposedNorm(request, formula), engine_(request.scope.engine()), kernel_(kernel) {
    std::size_t i = 0;
    for (const auto& [name, value] : values_.parameters) scalars_.at(i++) = value;
    options_.eps_outside = option("eps_outside");
    options_.unbiased = option("unbiased");
  }

  Variable forward(const Variable& x, const Pass&) const override { return run(x, {}).second; }
  std::pair<Variable, Variable> add_forward(const Variable& x, const Variable& f, const Pass&) const override {
    return run(x, f);
  }

  /// Gain, bias and scalars: a record's inputs, and the number of them.
  static constexpr int kParameters = 2 + kernels::kRowNormScalars;
  std::array<Variable, kParameters> parameters() const { return {whole_gain(), bias_, scalars_[0], scalars_[1]}; }

  /// Where this norm's rows lie in packed ones.
  struct Place {
    std::int64_t offset = 0, rows = 0;
    kernels::RowGroups groups{};
  };
  /// Writes its rows of y, x and y packed; returns the statistics.
  Tensor forward_part(const Tensor& x, const Tensor& y, const Tensor& gain, const Place& place) const {
    const Tensor statistics = Tensor::empty(x.engine(), {place.rows, kernel_.statistics});
    kernels::row_norm_forward(
        x.engine(), kernel_,
        {x.data() + place.offset, nullptr, nullptr, y.data() + place.offset, gain.defined() ? gain.data() : nullptr,
         data(bias_), statistics.data(), width_, options(), place.groups},
        place.rows);
    return statistics;
  }
  /// Its rows of d, the gradient of y, become those of x; the parameters are the inputs from `first` on.
  void backward_part(Grads& g, int first, const Tensor& x, const Tensor& d, const Tensor& statistics,
                     const Tensor& gain, const Place& place) const {
    kernels::RowNormBackward part = call(d, x, statistics, gain, d, false);
    part.h += place.offset;
    part.dy += place.offset;
    part.dh += place.offset;
    part.groups = place.groups;
    gradient(g, first, part, place.rows);
  }

 private:
  static const real* data(const Variable& v) { return v.defined() ? v.value().data() : nullptr; }
  bool option(const std::string& name) const {
    const auto found = values_.options.find(name);
    return found != values_.options.end() && found->second != 0;
  }
  kernels::RowNormOptions options() const {
    kernels::RowNormOptions options = options_;
    options.eps = values_.eps;
    for (std::size_t i = 0; i < scalars_.size(); ++i)
      if (scalars_[i].defined()) options.scalars[i] = static_cast<double>(scalars_[i].value().data()[0]);
    return options;
  }

  /// {h, N(h)}, h = x + f, or {x, N(x)} without f.
  std::pair<Variable, Variable> run(const Variable& x, const Variable& f) const {
    check_width(x);
    check(!f.defined() || f.shape() == x.shape(), name_.c_str(), "x ", x.shape(), " and its residual differ");
    Engine& engine = x.engine();
    const Variable gain = whole_gain();
    const std::int64_t rows = x.shape().rows();
    const Tensor h = f.defined() ? empty_like(x.value()) : x.value(), y = empty_like(x.value());
    const Tensor statistics = Tensor::empty(engine, {rows, kernel_.statistics});
    kernels::row_norm_forward(engine, kernel_,
                              {x.value().data(), data(f), f.defined() ? h.data() : nullptr, y.data(), data(gain),
                               data(bias_), statistics.data(), width_, options()},
                              rows);
    if (!f.defined())
      return {x, record("norm", {&x, &gain, &bias_, &scalars_[0], &scalars_[1]}, y,
                        [this, h, statistics, gain = gain.value(), rows](Grads& g) {
                          // A constant (the input data) still has a gain to train: its own gradient goes nowhere.
                          const auto [dx, add] = g.wants(0) ? g.target(0) : Grads::Target{empty_like(h), false};
                          gradient(g, 1, call(g.out(), h, statistics, gain, dx, add), rows);
                        })};
    const auto backward = [this, h, statistics, gain = gain.value(), rows](Grads& g) {
      Tensor dh = std::move(g.out(0));  // from further up the residual stream
      const Tensor& dy = g.out(1);
      if (dy.defined()) {
        const bool add = dh.defined();
        if (!add)
          dh = empty_like(h);
        else if (!dh.unique())
          dh = dh.clone();
        gradient(g, 2, call(dy, h, statistics, gain, dh, add), rows);
      }
      g.complete(0, dh);
      g.give(0, dh);
      g.give(1, dh);
    };
    const auto [sum, norm] = record<2>("add_norm", {&x, &f, &gain, &bias_, &scalars_[0], &scalars_[1]},
                                       std::array<Tensor, 2>{h, y}, backward, 1);
    return {sum, norm};
  }

  kernels::RowNormBackward call(const Tensor& dy, const Tensor& h, const Tensor& statistics, const Tensor& gain,
                                const Tensor& dh, bool add) const {
    return {.h = h.data(),
            .dy = dy.data(),
            .gain = gain.defined() ? gain.data() : nullptr,
            .statistics = statistics.data(),
            .dh = dh.data(),
            .add = add,
            .dgain = nullptr,
            .dbias = nullptr,
            .dscalars = nullptr,
            .width = width_,
            .options = options()};
  }

  /// Writes (or adds) dh and the gradients of the parameters, which are the inputs from `first` on.
  void gradient(Grads& g, int first, kernels::RowNormBackward call, std::int64_t rows) const {
    Grads::Target dgain{}, dbias{};
    if (call.gain && g.wants(first)) dgain = g.target(first);
    if (bias_.defined() && g.wants(first + 1)) dbias = g.target(first + 1);
    if (dgain.tensor.defined()) call.dgain = dgain.tensor.data();
    if (dbias.tensor.defined()) call.dbias = dbias.tensor.data();
    double dscalars[kernels::kRowNormScalars] = {};
    if (scalars_[0].defined()) call.dscalars = dscalars;
    kernels::row_norm_backward(engine_, kernel_, call, rows, dgain.add, dbias.add);
    for (int i = 0; i < kernels::kRowNormScalars; ++i)
      if (scalars_[static_cast<std::size_t>(i)].defined() && g.wants(first + 2 + i))
        g.give(first + 2 + i, Tensor::full(engine_, {1}, static_cast<real>(dscalars[i])));
  }

  Engine& engine_;
  kernels::RowNormKernel kernel_;
  kernels::RowNormOptions options_;
  std::array<Variable, kernels::kRowNormScalars> scalars_;
};

struct SavedPart {
  const RowNorm* norm = nullptr;
  RowNorm::Place place{};
  Tensor statistics{}, gain{};
};

/// The columns [offset, offset + width) of y = those of x.
void copy_columns(const Tensor& x, const Tensor& y, std::int64_t offset, std::int64_t width) {
  const std::int64_t step = x.shape().last();
  parallel_ranges(x.engine(), x.shape().rows(), rows_a_tile(width), [&](std::int64_t row, std::int64_t end) {
    for (; row < end; ++row) std::copy_n(x.data() + row * step + offset, width, y.data() + row * step + offset);
  });
}

}  // namespace

Variable packed_norm(const Variable& x, const std::array<PackedPart, 3>& parts) {
  constexpr int kEach = RowNorm::kParameters;
  std::array<SavedPart, 3> saved;
  std::array<Variable, 3 * kEach> p;
  const std::int64_t step = x.shape().last(), tokens = x.shape().rows();
  std::int64_t offset = 0, whole = 0;
  for (const PackedPart& part : parts) {
    if (part.norm && !dynamic_cast<const RowNorm*>(part.norm)) return {};
    whole += part.rows * part.width;
  }
  check(whole == step, "packed_norm", "input ", x.shape(), " for parts of ", whole);
  const Tensor y = empty_like(x.value());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [norm, rows, width] = parts[i];
    SavedPart& part = saved[i];
    if (norm) {
      part = {.norm = static_cast<const RowNorm*>(norm), .place = {offset, rows * tokens, {rows, step}}};
      std::ranges::copy(part.norm->parameters(), p.begin() + static_cast<std::ptrdiff_t>(kEach * i));
      part.gain = p[kEach * i].value();
      part.statistics = part.norm->forward_part(x.value(), y, part.gain, part.place);
    } else {
      copy_columns(x.value(), y, offset, rows * width);
    }
    offset += rows * width;
  }
  static_assert(3 * kEach == 12);
  return record("packed_norm",
                {&x, &p[0], &p[1], &p[2], &p[3], &p[4], &p[5], &p[6], &p[7], &p[8], &p[9], &p[10], &p[11]}, y,
                [saved, x = x.value()](Grads& g) {
                  Tensor d = std::move(g.out());
                  if (!d.unique()) d = d.clone();
                  for (int i = 0; i < 3; ++i)
                    if (const SavedPart& part = saved[static_cast<std::size_t>(i)]; part.norm)
                      part.norm->backward_part(g, 1 + kEach * i, x, d, part.statistics, part.gain, part.place);
                  g.give(0, d);
                });
}

NormMaker fused(const kernels::RowNormKernel& kernel, NormFormula formula, bool (*covers)(const NormValues& options)) {
  return [kernel, formula, covers](const NormRequest& request) -> std::unique_ptr<Norm> {
    if (covers && !covers(request.values)) return std::make_unique<ComposedNorm>(request, formula);
    return std::make_unique<RowNorm>(request, kernel, formula);
  };
}

NORMSCOPE_END
