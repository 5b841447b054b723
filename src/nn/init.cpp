#include <normscope/nn/init.h>

#include <cmath>

#include "core/choices.h"
#include "core/parallel.h"

NORMSCOPE_BEGIN

namespace {

/// Gram-Schmidt, twice for the digits, on rows of normal draws (of the columns where there are fewer of them).
std::vector<double> orthogonal(const Shape& shape, const Random& random) {
  const auto out = static_cast<std::size_t>(shape[0]), in = static_cast<std::size_t>(shape.numel() / shape[0]);
  const std::size_t count = std::min(out, in), length = std::max(out, in);
  const std::size_t next = out <= in ? 1 : in, step = out <= in ? in : 1;  // between entries of a vector; vectors
  std::vector<double> w(out * in);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = random.normal(i);
  for (std::size_t a = 0; a < count; ++a) {
    double* v = &w[a * step];
    const auto product = [&](const double* u) {
      double sum = 0;
      for (std::size_t i = 0; i < length; ++i) sum += u[i * next] * v[i * next];
      return sum;
    };
    for (int round = 0; round < 2; ++round)
      for (std::size_t b = 0; b < a; ++b) {
        const double* u = &w[b * step];
        const double share = product(u);
        for (std::size_t i = 0; i < length; ++i) v[i * next] -= share * u[i * next];
      }
    const double size = std::sqrt(product(v));
    for (std::size_t i = 0; i < length; ++i) v[i * next] /= size;
  }
  return w;
}

Init normal(double factor) { return Init::normal(0.02 * factor); }
Init variance(double value) { return Init::normal(std::sqrt(value)); }

}  // namespace

void fill(Engine& engine, real* to, const Shape& shape, const Init& init, const Random& random) {
  std::vector<double> whole;
  if (init.kind == Init::Kind::orthogonal && !engine.dry()) whole = orthogonal(shape, random);
  parallel_ranges(engine, shape.numel(), 65536, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double noise = 0;
      if (init.kind == Init::Kind::normal) noise = init.std * random.normal(static_cast<std::uint64_t>(i));
      if (init.kind == Init::Kind::orthogonal) noise = init.std * whole[static_cast<std::size_t>(i)];
      to[i] = static_cast<real>(init.value + noise);
    }
  });
}

const std::vector<InitEntry>& init_table() {
  static const std::vector<InitEntry> table{
#define INIT(name, formula, value) \
  {#name, formula, [](const MatrixInfo& m) -> Init { return m.is_embedding() ? normal(1) : value; }},
#include "nn/inits.def"
#undef INIT
  };
  return table;
}

const InitEntry& init_entry(const std::string& name) {
  if (const InitEntry* entry = find_entry(init_table(), name)) return *entry;
  std::vector<std::string> allowed = entry_names(init_table());
  allowed.insert(allowed.begin(), "auto");  // see init_rule()
  throw UsageError("init = \"" + name + "\" " + unknown_text(name, allowed));
}

InitRule init_rule(const ModelOptions& options, InitFormula own) {
  const InitFormula make = options.init == "auto" ? own : init_entry(options.init).make;
  return [make, layers = options.n_layer, gain = options.init_gain, shift = options.init_shift](
             const std::string& name, std::int64_t in, std::int64_t out) {
    Init init = make({name, in, out, layers});
    init.value = init.value * gain + shift;
    init.std *= gain;
    return init;
  };
}

NORMSCOPE_END
