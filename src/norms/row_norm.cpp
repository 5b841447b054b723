#include "norms/row_norm.h"

#include "ops/check.h"

NORMSCOPE_BEGIN

namespace {

class RowNorm final : public Norm {
 public:
  RowNorm(const Scope& scope, const RowNormDefinition& definition, const RowNormOptions& options, std::int64_t width,
          bool gain, bool bias)
      : name_(scope.prefix), definition_(definition), options_(options), width_(width) {
    if (!definition.scalar.empty()) scalar_ = scope.add(definition.scalar, {1}, Init::constant(options.scalar));
    if (gain) gain_ = scope.add("gain", {width}, Init::constant(1));
    if (bias) bias_ = scope.add("bias", {width}, Init::constant(0));
  }

  Variable forward(const Variable& x, const Pass&) const override { return run(x, {}).second; }
  std::pair<Variable, Variable> add_forward(const Variable& x, const Variable& f, const Pass&) const override {
    return run(x, f);
  }
  Variable reference(const Variable& x) const override {
    Variable y = definition_.reference(x, options_, scalar_);
    if (gain_.defined()) y = multiply(y, gain_);
    return bias_.defined() ? add(y, bias_) : y;
  }

 private:
  static const real* data(const Variable& v) { return v.defined() ? v.value().data() : nullptr; }
  RowNormOptions options() const {
    RowNormOptions now = options_;
    if (scalar_.defined()) now.scalar = static_cast<double>(scalar_.value().data()[0]);
    return now;
  }

  /// {h, N(h)}, h = x + f, or {x, N(x)} without f.
  std::pair<Variable, Variable> run(const Variable& x, const Variable& f) const {
    check(x.shape().last() == width_, name_.c_str(), "input ", x.shape(), " for a norm of width ", width_);
    check(!f.defined() || f.shape() == x.shape(), name_.c_str(), "x ", x.shape(), " and its residual differ");
    Engine& engine = x.engine();
    const std::int64_t rows = x.shape().rows();
    const Tensor h = f.defined() ? empty_like(x.value()) : x.value(), y = empty_like(x.value());
    const Tensor statistics = Tensor::empty(engine, {rows, definition_.kernel.statistics});
    kernels::row_norm_forward(engine, definition_.kernel,
                              {x.value().data(), data(f), f.defined() ? h.data() : nullptr, y.data(), data(gain_),
                               data(bias_), statistics.data(), width_, options()},
                              rows);
    if (!f.defined())
      return {x, record("norm", {&x, &gain_, &bias_, &scalar_}, y, [this, h, statistics, rows](Grads& g) {
                // A constant (the input data) still has a gain to train: its own gradient goes nowhere.
                const auto [dx, add] = g.wants(0) ? g.target(0) : Grads::Target{empty_like(h), false};
                gradient(g, g.out(), h, statistics, rows, dx, add);
              })};
    const auto backward = [this, h, statistics, rows](Grads& g) {
      Tensor dh = std::move(g.out(0));  // from further up the residual stream
      const Tensor& dy = g.out(1);
      if (dy.defined()) {
        const bool add = dh.defined();
        if (!add)
          dh = empty_like(h);
        else if (!dh.unique())
          dh = dh.clone();
        gradient(g, dy, h, statistics, rows, dh, add);
      }
      g.complete(0, dh);
      g.give(0, dh);
      g.give(1, dh);
    };
    const auto [sum, norm] =
        record<2>("add_norm", {&x, &f, &gain_, &bias_, &scalar_}, std::array<Tensor, 2>{h, y}, backward, 1);
    return {sum, norm};
  }

  /// Writes (or adds) dh and the gradients of the parameters, which are the last three inputs.
  void gradient(Grads& g, const Tensor& dy, const Tensor& h, const Tensor& statistics, std::int64_t rows,
                const Tensor& dh, bool add) const {
    const int first = g.inputs() - 3;
    Grads::Target dgain{}, dbias{};
    if (gain_.defined() && g.wants(first)) dgain = g.target(first);
    if (bias_.defined() && g.wants(first + 1)) dbias = g.target(first + 1);
    double dscalar = 0;
    const bool wants_scalar = scalar_.defined() && g.wants(first + 2);
    kernels::row_norm_backward(
        h.engine(), definition_.kernel,
        {h.data(), dy.data(), data(gain_), statistics.data(), dh.data(), add,
         dgain.tensor.defined() ? dgain.tensor.data() : nullptr, dbias.tensor.defined() ? dbias.tensor.data() : nullptr,
         wants_scalar ? &dscalar : nullptr, width_, options()},
        rows, dgain.add, dbias.add);
    if (wants_scalar) g.give(first + 2, Tensor::full(h.engine(), {1}, static_cast<real>(dscalar)));
  }

  std::string name_;
  RowNormDefinition definition_;
  RowNormOptions options_;
  std::int64_t width_;
  Variable gain_, bias_, scalar_;
};

}  // namespace

std::function<std::unique_ptr<Norm>(const Scope&, const NormSpec&, std::int64_t)> row_norm_maker(
    const RowNormDefinition& definition, bool bias, const ReadOptions& read) {
  return
      [definition, bias, read](const Scope& scope, const NormSpec& spec, std::int64_t width) -> std::unique_ptr<Norm> {
        RowNormOptions options;
        options.eps = spec.eps;
        options.scalar = definition.scalar_init;
        if (read) read(spec, width, options);
        return std::make_unique<RowNorm>(scope, definition, options, width, spec.affine,
                                         spec.affine && spec.bias.value_or(bias));
      };
}

NORMSCOPE_END
