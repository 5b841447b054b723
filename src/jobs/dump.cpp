// One step, everything, into one file: what other implementations are compared with.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "io/output_folder.h"

#include "jobs/entries.h"
#include "run/saved_run.h"
#include "train/session.h"

NORMSCOPE_BEGIN

namespace {

/// Keeps every named value [B, T, C] and its gradient; the parts of a batch come one after the other.
class Keeper final : public StepListener {
 public:
  struct Kept {
    std::vector<std::int64_t> shape;
    std::vector<real> data;
    void append(const Tensor& part) {
      const std::int64_t before = shape.empty() ? 0 : shape[0];
      shape = part.shape().vector();
      shape[0] += before;
      data.insert(data.end(), part.data(), part.data() + part.numel());
    }
  };
  void value(const std::string& name, const Variable& x) override {
    values[name].append(x.value());
    if (x.tracked()) x.on_grad([this, name](const Tensor& g) { gradients[name].append(g); });
  }
  std::map<std::string, Kept> values, gradients;
};

void copy_indices(const Array& from, const Indices& to, std::int64_t vocab, const std::string& what) {
  if (from.shape != to.shape().vector())
    throw UsageError("--batch: " + what + " has shape " + Shape(from.shape).str() +
                     ", but batch_size and block_size require " + to.shape().str());
  for (std::int64_t i = 0; i < from.numel(); ++i) {
    const std::uint8_t* at = from.bytes.data() + static_cast<std::size_t>(i) * Array::size_of(from.type);
    std::int64_t value = 0;
    switch (from.type) {
      case Array::Type::i32: {
        std::int32_t v;
        std::memcpy(&v, at, sizeof v);
        value = v;
        break;
      }
      case Array::Type::i64:
        std::memcpy(&value, at, sizeof value);
        break;
      case Array::Type::u16: {
        std::uint16_t v;
        std::memcpy(&v, at, sizeof v);
        value = v;
        break;
      }
      case Array::Type::u8:
        value = *at;
        break;
      default:
        throw UsageError("--batch: " + what + " must contain integers");
    }
    if (value < 0 || value >= vocab)
      throw UsageError("--batch: " + what + " contains " + std::to_string(value) + "; allowed: 0 to " +
                       std::to_string(vocab - 1) + "; use tokens of this data or a larger vocab_size");
    to.data()[i] = static_cast<std::int32_t>(value);
  }
}

/// The batch of a file: tokens and targets.
class FileSource final : public BatchSource {
 public:
  FileSource(const std::string& path, std::int64_t vocab) : file_(path), vocab_(vocab) {}
  void fill(std::int64_t, std::int64_t, const Batch& batch) const override {
    copy_indices(file_.read("tokens"), batch.tokens, vocab_, "tokens");
    copy_indices(file_.read("targets"), batch.targets, vocab_, "targets");
  }

 private:
  ArrayFileReader file_;
  std::int64_t vocab_;
};

}  // namespace

double dump(const Config& config, const DumpOptions& options) {
  check_output_file(options.out, Result::dump, options.overwrite);
  if (config.gradient_accumulation_steps != 1)
    throw UsageError("dump writes one batch, but gradient_accumulation_steps = " +
                     std::to_string(config.gradient_accumulation_steps) + " (" +
                     config.where("gradient_accumulation_steps") + ") uses several per step; set it to 1");
  std::optional<Corpus> corpus;
  if (options.batch.empty() || !config.data.empty()) corpus = load_corpus(corpus_options(config));
  Session session(config,
                  corpus ? corpus->shape() : DataShape{.classes = std::max<std::int64_t>(config.vocab_size, 1)});
  Model& model = *session.model;
  if (const auto weights = initial_weights(config)) load_weights(model.parameters(), *weights);
  std::optional<DataSet> data;
  std::unique_ptr<BatchSource> file_batch;
  if (options.batch.empty())
    data.emplace(*corpus, model, sampler_options(config));
  else
    file_batch = std::make_unique<FileSource>(options.batch, model.options().vocab_size);
  const BatchSource& source = data ? *data->source : *file_batch;
  TrainStep runner(model, source, step_options(config, options.step + 1));
  Keeper keeper;
  const auto wanted = [&](const std::string& what) {
    return options.only.empty() || std::find(options.only.begin(), options.only.end(), what) != options.only.end();
  };
  for (const std::string& name : options.only)
    if (name != "tokens" && name != "features" && name != "targets" && name != "loss" && name != "logits" &&
        name != "params" && name != "grads" && name != "residual" && name != "residual_grads")
      throw UsageError("--only \"" + name +
                       "\" is unknown; allowed: tokens, features, targets, loss, logits, params, grads, "
                       "residual, residual_grads");
  const bool batch_only = !options.only.empty() &&
                          std::all_of(options.only.begin(), options.only.end(),
                                      [](const auto& n) { return n == "tokens" || n == "features" || n == "targets"; });
  double loss = 0;
  if (batch_only)
    source.fill(options.step, 0, runner.batch());
  else
    loss = runner.gradients(options.step, &keeper);

  ArrayFileWriter file(options.out);
  file.attribute("format", kDumpFormat);
  file.attribute("config_json", config.to_json());
  const Batch& batch = runner.batch();
  if (wanted("tokens") && batch.tokens.defined())
    file.write("tokens", Array::Type::i32, batch.tokens.shape().vector(), batch.tokens.data());
  if (wanted("features") && batch.features.defined())
    file.write("features", real_type(), batch.features.shape().vector(), batch.features.data());
  if (wanted("targets")) file.write("targets", Array::Type::i32, batch.targets.shape().vector(), batch.targets.data());
  if (wanted("loss") && !batch_only) file.write("loss", Array::Type::f64, {}, &loss);
  if (wanted("logits")) {
    const NoGrad guard;
    const Tensor logits = model.logits(batch, {}).value();
    file.write("logits", real_type(), logits.shape().vector(), logits.data());
  }
  for (const Parameter& p : model.parameters().all()) {
    if (wanted("params")) file.write("params/" + p.path, real_type(), p.shape.vector(), p.value());
    if (wanted("grads") && p.grad()) file.write("grads/" + p.path, real_type(), p.shape.vector(), p.grad());
  }
  for (const Buffer& b : model.parameters().buffers())
    if (wanted("params")) file.write("buffers/" + b.path, real_type(), b.value.shape().vector(), b.value.data());
  for (const auto& [name, x] : keeper.values)
    if (wanted("residual")) file.write("residual/" + name, real_type(), x.shape, x.data.data());
  for (const auto& [name, g] : keeper.gradients)
    if (wanted("residual_grads")) file.write("residual_grads/" + name, real_type(), g.shape, g.data.data());
  file.commit();
  return loss;
}

NORMSCOPE_END
