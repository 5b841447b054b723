// The multi-layer perceptron of the claims lab: L layers of a linear map, a norm and a ReLU, then a linear head.
#include <normscope/models/model.h>
#include <normscope/nn/layers.h>
#include <normscope/norms/norm.h>

NORMSCOPE_BEGIN

namespace {
class MlpModel final : public Model {
 public:
  MlpModel(Engine& engine, const ModelOptions& options, std::uint64_t seed) : Model(engine, options, seed) {
    if (const auto adjust = norm_entry(options_.norm.name).adjust) adjust(options_);
    const ModelOptions& o = options_;
    if (o.placement != "before" && o.placement != "after")
      throw UsageError("norm_placement = \"" + o.placement +
                       "\" does not exist for arch mlp; allowed: before (the ReLU), after");
    const InitRule init = init_rule(o, init_entry("he").make);
    std::int64_t in = o.features;
    for (std::int64_t i = 0; i < o.n_layer; ++i) {
      const Scope scope{parameters_, "blocks." + std::to_string(i), i, ""};
      const auto own = o.block.find(i);
      const NormSpec norm = own == o.block.end() ? o.norm : own->second.mlp_norm.value_or(o.norm);
      const auto weight = norm_entry(norm.name).weight;
      if (!weight) require_fit(norm, {.width = o.n_embd});
      layers_.push_back({scope.prefix,
                         Linear(scope.in("fc").as("mlp"), in, o.n_embd, o.bias, init("fc", in, o.n_embd), weight),
                         weight ? nullptr : make_norm(scope.in("norm").as("norm"), norm, o.n_embd)});
      points_.push_back("residual." + std::to_string(i));
      in = o.n_embd;
    }
    points_.push_back("residual." + std::to_string(o.n_layer));
    const Scope head{parameters_, "head", -1, "head"};
    head_ = std::make_unique<Linear>(head, in, o.vocab_size, o.bias, init("head", in, o.vocab_size));
  }

  Variable logits(const Batch& batch, const Pass& pass) const override {
    Variable x(batch.features);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      const Tape::Scope scope(layer.path);
      pass.observe(points_[i], x);
      x = layer.map(x);
      if (!layer.norm)
        x = relu(x);
      else
        x = options_.placement == "before" ? relu(layer.norm->forward(x, pass)) : layer.norm->forward(relu(x), pass);
    }
    pass.observe(points_.back(), x);
    return (*head_)(x);
  }

  void after_update(std::int64_t step) override {
    for (const Layer& layer : layers_)
      if (layer.norm) layer.norm->after_update(step);
  }

  Batch make_batch(std::int64_t items) const override {
    return {{}, Indices::empty(engine(), {items}), Tensor::empty(engine(), {items, options_.features})};
  }

  std::vector<ProductShape> products() const override {
    const ModelOptions& o = options_;
    return {{o.features, o.n_embd, 1}, {o.n_embd, o.n_embd, o.n_layer - 1}, {o.n_embd, o.vocab_size, 1}};
  }

 private:
  struct Layer {
    std::string path;
    Linear map;
    std::unique_ptr<Norm> norm;  ///< null where the map's weights are normed
  };

  std::vector<Layer> layers_;
  std::unique_ptr<Linear> head_;
};
}  // namespace

ModelEntry model_mlp() {
  return {.name = "mlp",
          .summary = "multi-layer perceptron on samples, the norm before or after the ReLU",
          .make = [](Engine& engine, const ModelOptions& options, std::uint64_t seed) -> std::unique_ptr<Model> {
            return std::make_unique<MlpModel>(engine, options, seed);
          }};
}

NORMSCOPE_END
