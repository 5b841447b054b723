#include "norms/row_norm.h"

#include "ops/check.h"

NORMSCOPE_BEGIN

namespace {

class RowNorm final : public ComposedNorm {
 public:
  RowNorm(const NormRequest& request, const kernels::RowNormKernel& kernel, NormFormula formula)
      : ComposedNorm(request, formula), kernel_(kernel) {
    std::size_t i = 0;
    for (const auto& [name, value] : values_.parameters) scalars_.at(i++) = value;
    options_.eps_outside = option("eps_outside");
    options_.unbiased = option("unbiased");
  }

  Variable forward(const Variable& x, const Pass&) const override { return run(x, {}).second; }
  std::pair<Variable, Variable> add_forward(const Variable& x, const Variable& f, const Pass&) const override {
    return run(x, f);
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
                          gradient(g, g.out(), h, statistics, gain, rows, dx, add);
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
        gradient(g, dy, h, statistics, gain, rows, dh, add);
      }
      g.complete(0, dh);
      g.give(0, dh);
      g.give(1, dh);
    };
    const auto [sum, norm] = record<2>("add_norm", {&x, &f, &gain, &bias_, &scalars_[0], &scalars_[1]},
                                       std::array<Tensor, 2>{h, y}, backward, 1);
    return {sum, norm};
  }

  /// Writes (or adds) dh and the gradients of the parameters, which are the last inputs.
  void gradient(Grads& g, const Tensor& dy, const Tensor& h, const Tensor& statistics, const Tensor& gain,
                std::int64_t rows, const Tensor& dh, bool add) const {
    const int first = g.inputs() - 2 - kernels::kRowNormScalars;
    Grads::Target dgain{}, dbias{};
    if (gain.defined() && g.wants(first)) dgain = g.target(first);
    if (bias_.defined() && g.wants(first + 1)) dbias = g.target(first + 1);
    double dscalars[kernels::kRowNormScalars] = {};
    kernels::row_norm_backward(
        h.engine(), kernel_,
        {h.data(), dy.data(), gain.defined() ? gain.data() : nullptr, statistics.data(), dh.data(), add,
         dgain.tensor.defined() ? dgain.tensor.data() : nullptr, dbias.tensor.defined() ? dbias.tensor.data() : nullptr,
         scalars_[0].defined() ? dscalars : nullptr, width_, options()},
        rows, dgain.add, dbias.add);
    for (int i = 0; i < kernels::kRowNormScalars; ++i)
      if (scalars_[static_cast<std::size_t>(i)].defined() && g.wants(first + 2 + i))
        g.give(first + 2 + i, Tensor::full(h.engine(), {1}, static_cast<real>(dscalars[i])));
  }

  kernels::RowNormKernel kernel_;
  kernels::RowNormOptions options_;
  std::array<Variable, kernels::kRowNormScalars> scalars_;
};

}  // namespace

NormMaker fused(const kernels::RowNormKernel& kernel, NormFormula formula, bool (*covers)(const NormValues& options)) {
  return [kernel, formula, covers](const NormRequest& request) -> std::unique_ptr<Norm> {
    if (covers && !covers(request.values)) return std::make_unique<ComposedNorm>(request, formula);
    return std::make_unique<RowNorm>(request, kernel, formula);
  };
}

NORMSCOPE_END
