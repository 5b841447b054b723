#include <fmt/format.h>
#include "io/array_file.h"
#include "commands/commands.h"
#include <normscope/data/corpus.h>
#include "io/run_file.h"
#include "study/statistics.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/cli.h"
#include "core/decimal_text.h"
#include "core/text.h"

namespace normscope::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Facts = std::vector<std::pair<std::string, std::string>>;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, " x "));
}

int inspect_cost(const Config& config, bool json) {
  const CostOutcome cost = inspect_config(config);
  if (json) {
    Json document = {{"parameters", cost.parameters},
                     {"tokens_per_step", cost.tokens_per_step},
                     {"steps", cost.steps > 0 ? Json(cost.steps) : Json(nullptr)},
                     {"gflop_per_step", cost.gflop_per_step},
                     {"weights_mb", cost.weights_mb},
                     {"activations_mb", cost.activations_mb},
                     {"peak_mb", cost.peak_mb},
                     {"params", Json::array()}};
    for (const CostOutcome::Row& row : cost.rows)
      document["params"].push_back({{"name", row.path}, {"shape", row.shape}});
    print_json(document);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const CostOutcome::Row& row : cost.rows) {
    std::int64_t numel = 1;
    for (const std::int64_t size : row.shape) numel *= size;
    rows.push_back({row.path, shape_text(row.shape), grouped(numel)});
  }
  print(table({"parameter", "shape", "elements"}, rows, {false, true, true}) + "\n");
  print(facts(
      {{"model",
        fmt::format("{}, {} blocks, width {}, {}norm {} ({})", config.arch, config.n_layer, config.n_embd,
                    config.arch == "mlp" ? "" : fmt::format("{} heads, context {}, ", config.n_head, config.block_size),
                    config.norm, config.norm_placement)},
       {"parameters", grouped(cost.parameters)},
       {"tokens per step", grouped(cost.tokens_per_step)},
       {"steps", cost.steps > 0 ? grouped(cost.steps)
                                : fmt::format("those of {} epochs (set --data to count them)", config.epochs)},
       {"work per step", fmt::format("{:.2f} GFLOP", cost.gflop_per_step)},
       {"weights", fmt::format("{:.1f} MB", cost.weights_mb)},
       {"activations", fmt::format("{:.1f} MB", cost.activations_mb)},
       {"peak memory", fmt::format("{:.1f} MB", cost.peak_mb)}}));
  return 0;
}

int inspect_run(const RunData& run, const std::string& path, bool json) {
  const Config config = Config::from_json(run.config_json);
  const auto steps = static_cast<std::int64_t>(run.step.size());
  const auto final_eval = run.evals.empty() ? EvalRow{-1, kNaN, kNaN, false} : run.evals.back();
  std::int64_t parameters = 0;
  for (const ParamInfo& param : run.params) parameters += param.numel();
  if (json) {
    Json statistics = Json::array();
    for (const Matrix& matrix : run.columns)
      statistics.push_back({{"name", matrix.info.name},
                            {"axis", name_of(matrix.info.axis)},
                            {"width", matrix.width},
                            {"unit", matrix.info.unit},
                            {"long_name", matrix.info.long_name}});
    print_json({{"kind", "run"},
                {"path", path},
                {"status", run.status},
                {"steps", steps},
                {"parameters", parameters},
                {"epochs", run.epochs.size()},
                {"train_loss", final_eval.train_loss},
                {"val_loss", final_eval.val_loss},
                {"val_loss_exact", final_eval.exact},
                {"statistics", statistics},
                {"attributes", run.attributes},
                {"config", Json::parse(run.config_json)}});
    return 0;
  }
  print(facts(
      {{"run", path},
       {"status", run.status},
       {"model", fmt::format("{}, {} blocks, width {}, norm {} ({})", config.arch, config.n_layer, config.n_embd,
                             config.norm, config.norm_placement)},
       {"data", fmt::format("{} (sha256 {})", config.data, run.data_sha256.substr(0, 16))},
       {"seed", std::to_string(config.seed)},
       {"parameters", fmt::format("{} in {} tensors", grouped(parameters), run.params.size())},
       {"steps", grouped(steps)},
       {"epochs", fmt::format("{} (counted in {})", run.epochs.size(), run.epoch_label)},
       {"last loss", steps ? decimal_text(run.loss.back(), 4) : "none"},
       {"last evaluation",
        run.evals.empty() ? "none"
                          : fmt::format("step {}: train {}, validation {} ({})", final_eval.step,
                                        decimal_text(final_eval.train_loss, 4), decimal_text(final_eval.val_loss, 4),
                                        final_eval.exact ? "exact" : "sampled")},
       {"started", run.started_at},
       {"command", run.command}}));
  std::vector<std::vector<std::string>> rows;
  for (const Matrix& matrix : run.columns)
    rows.push_back({matrix.info.name, std::to_string(matrix.width), name_of(matrix.info.axis), matrix.info.unit,
                    matrix.info.long_name});
  print("\n" + table({"statistic", "per step", "axis", "unit", "what"}, rows, {false, true, false, false, false}));
  return 0;
}

int inspect_arrays(const std::string& path, bool json) {
  const ArrayFileReader file(path);
  Json document = {{"kind", "arrays"}, {"path", path}, {"attributes", file.attributes()}, {"arrays", Json::array()}};
  std::vector<std::vector<std::string>> rows;
  static constexpr const char* types[] = {"float32", "float64", "int32", "int64", "uint8", "uint16"};
  for (const std::string& name : file.names()) {
    const Array array = file.read(name);
    const char* type = types[static_cast<std::size_t>(array.type)];
    rows.push_back({name, type, shape_text(array.shape)});
    document["arrays"].push_back({{"name", name}, {"type", type}, {"shape", array.shape}});
  }
  if (json) {
    print_json(document);
    return 0;
  }
  for (const auto& [name, value] : file.attributes())
    print(fmt::format("{}: {}\n", name, value.size() > 200 ? value.substr(0, 200) + " ..." : value));
  print(table({"array", "type", "shape"}, rows, {false, false, true}));
  return 0;
}

int inspect_text(const std::string& path, bool json) {
  const Corpus corpus = load_corpus({path, "char", 0, 0});
  if (json) {
    print_json({{"kind", "corpus"},
                {"path", path},
                {"tokenizer", corpus.tokenizer ? Json(corpus.tokenizer->kind()) : Json(nullptr)},
                {"vocab_size", corpus.shape().classes},
                {"train_tokens", corpus.train_size()},
                {"val_tokens", corpus.val_size()},
                {"sha256", corpus.sha256}});
    return 0;
  }
  print(facts({{"corpus", corpus.source},
               {"vocabulary", fmt::format("{} ({})", grouped(corpus.shape().classes),
                                          corpus.tokenizer ? corpus.tokenizer->kind() : "labels")},
               {"train tokens", grouped(corpus.train_size())},
               {"val tokens", grouped(corpus.val_size())},
               {"sha256", corpus.sha256}}));
  return 0;
}

/// A run file, or else (checkpoints and dumps have no steps) the arrays in it.
int inspect_hdf5(const std::string& path, bool json) {
  std::optional<RunData> run;
  try {
    run = read_run(path);
  } catch (const UsageError&) {
    return inspect_arrays(path, json);
  }
  return inspect_run(*run, path, json);
}

int inspect_path(const std::string& path, bool json) {
  if (!fs::exists(path) && path.rfind("synthetic:", 0) != 0)
    throw UsageError(fmt::format("{} does not exist; give a run folder, a checkpoint, token files or text", path));
  const fs::path run_file = fs::path(path) / "run.h5";
  if (fs::is_regular_file(run_file)) return inspect_run(read_run(run_file.string()), run_file.string(), json);
  if (fs::is_regular_file(path) && fs::path(path).extension() == ".h5") return inspect_hdf5(path, json);
  return inspect_text(path, json);
}

}  // namespace

int run_inspect(const Arguments& arguments) {
  std::vector<std::string> paths;
  Parser parser("inspect",
                "Shows the content of a run, checkpoint, dump, prepared folder or text file. Without a path, shows the "
                "cost of a configuration.",
                "  normscope inspect --preset nanogpt-cpu\n"
                "    parameters, work and memory, without training\n"
                "  normscope inspect runs/rms\n"
                "    status and last losses of a run");
  parser.positional("PATH", paths, "a run folder, HDF5 file, prepared folder or text file", 0, 1);
  parser.config_keys();
  parser.parse(arguments);
  if (!paths.empty()) return inspect_path(paths.front(), parser.json);
  Config config = parser.config();
  config.resolve();
  return inspect_cost(config, parser.json);
}

}  // namespace normscope::cli
