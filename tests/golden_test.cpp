// label: train
// One step and twelve training steps against PyTorch's numbers, stored by tests/golden/make_golden.py.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "train_helpers.h"

namespace normscope::cli_test {
namespace {

using nlohmann::json;
using train_test::norm;
using train_test::numbers;

struct Tolerances {
  double weights, loss, gradients, zero, training;
};
constexpr double kBatch = 1e-9;  // projection of token indices
/// LLaMA's reference takes float32 detours (1e-7), the GPT one does not.
constexpr Tolerances kFloat64{1e-9, 1e-7, 1e-5, 1e-8, 1e-6}, kFloat32{1e-6, 1e-5, 1e-4, 1e-6, 1e-4};

json stored(const std::string& model) {
  const json golden = json::parse(read_text(NORMSCOPE_SOURCE "/tests/golden/" + model + ".json"));
  EXPECT_EQ(golden.at("format"), "normscope-golden");
  return golden;
}

/// sum_i w_i x_i / |w|, w_i = ((i * 2654435761) mod 2^32) / 2^31 - 1, as make_golden.py.
double projection(const std::vector<double>& x) {
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double w = static_cast<double>(i * 2654435761u % (std::uint64_t{1} << 32)) / 2147483648.0 - 1;
    sum += w * x[i];
    squares += w * w;
  }
  return sum / std::sqrt(squares);
}

/// Largest difference of the kept numbers; each is at most the norm of the difference of the tensors.
double difference(const std::vector<double>& x, const json& summary) {
  const auto& entries = summary.at("entries");
  double worst = std::abs(norm(x) - summary.at("norm").get<double>());
  worst = std::max(worst, std::abs(projection(x) - summary.at("projection").get<double>()));
  const std::size_t at[] = {0, x.size() / 2, x.size() - 1};
  for (std::size_t i = 0; i < 3; ++i) worst = std::max(worst, std::abs(x[at[i]] - entries[i].get<double>()));
  return std::isfinite(norm(x)) ? worst : INFINITY;
}

/// Names in `group` of the dump must be the stored ones; returns one line for each that is off by more than
/// `tolerance` of its norm, or of `floor` where that is more.
std::string differences(const ArrayFileReader& dump, const std::string& group, const json& want, double tolerance,
                        double floor) {
  std::ostringstream out;
  std::size_t count = 0;
  for (const std::string& name : dump.names()) count += name.rfind(group + "/", 0) == 0;
  if (count != want.size()) out << group << ": " << count << " tensors, stored are " << want.size() << "\n";
  for (const auto& [path, summary] : want.items()) {
    if (!dump.has(group + "/" + path)) {
      out << group << "/" << path << " is missing\n";
      continue;
    }
    const double error = difference(numbers(dump.read(group + "/" + path)), summary);
    const double allowed = tolerance * std::max(summary.at("norm").get<double>(), floor);
    if (!(error <= allowed)) out << group << "/" << path << " is off by " << error << ", allowed " << allowed << "\n";
  }
  return out.str();
}

double global_norm(const json& grads) {
  double sum = 0;
  for (const auto& [path, g] : grads.items()) sum += std::pow(g.at("norm").get<double>(), 2);
  return std::sqrt(sum);
}

std::string flags(const json& golden, const std::string& dtype) {
  return golden.at("flags").get<std::string>() + " --threads 1 --quiet --dtype " + dtype;
}

std::string make_dump(const TemporaryFolder& folder, const json& golden, const std::string& arguments) {
  const std::string file = folder / "dump.h5";
  const Outcome outcome =
      run(folder, "dump " + arguments + " --out dump.h5 --step " + std::to_string(golden.at("step").get<int>()));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return file;
}

const char* const kModels[] = {
    "gpt_layernorm_biases", "gpt_layernorm", "gpt_rmsnorm", "llama_rmsnorm", "llama_rmsnorm_gqa",
    "llama_layernorm",      "qwen3",         "olmo2",       "gemma2"};

class Golden : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  const json golden = stored(std::get<0>(GetParam()));
  const std::string dtype = std::get<1>(GetParam());
  const Tolerances tolerance = dtype == "float64" ? kFloat64 : kFloat32;
  const TemporaryFolder folder;
};

TEST_P(Golden, OneStepIsPyTorchs) {
  const ArrayFileReader dump(make_dump(folder, golden, flags(golden, dtype)));
  for (const char* name : {"tokens", "targets"})
    ASSERT_NEAR(projection(numbers(dump.read(name))), golden.at(name).get<double>(), kBatch)
        << "the batch is another one than when the results were stored (synthetic:markov or the sampler changed); if "
           "that is wanted, run tests/golden/make_golden.py again";
  ASSERT_EQ(differences(dump, "params", golden.at("weights"), tolerance.weights, 0), "")
      << "the initial weights are others than when the results were stored; if that is wanted, run "
         "tests/golden/make_golden.py again";
  const double loss = golden.at("loss");
  EXPECT_NEAR(numbers(dump.read("loss"))[0], loss, tolerance.loss * loss);
  EXPECT_LE(difference(numbers(dump.read("logits")), golden.at("logits")),
            tolerance.gradients * golden.at("logits").at("norm").get<double>());
  // A gradient that is zero by identity (a key bias under learned positions) is judged on the global norm.
  const double floor = tolerance.zero * global_norm(golden.at("grads")) / tolerance.gradients;
  EXPECT_EQ(differences(dump, "grads", golden.at("grads"), tolerance.gradients, floor), "");
  EXPECT_EQ(differences(dump, "residual_grads", golden.at("residual_grads"), tolerance.gradients, 0), "");
}

TEST_P(Golden, TrainingIsPyTorchs) {
  const Outcome outcome =
      run(folder, "train " + flags(golden, dtype) + " --log_interval 1 --eval_interval 0 --out_dir run");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::istringstream lines(read_text(folder / "run/metrics.jsonl"));
  const auto losses = golden.at("training").at("loss").get<std::vector<double>>();
  const auto norms = golden.at("training").at("grad_norm").get<std::vector<double>>();
  std::size_t rows = 0;
  for (std::string line; std::getline(lines, line);) {
    const json row = json::parse(line);
    if (!row.contains("loss")) continue;
    ASSERT_LT(rows, losses.size());
    EXPECT_NEAR(row.at("loss").get<double>(), losses[rows], tolerance.training * losses[rows]) << "step " << rows;
    EXPECT_NEAR(row.at("grad_norm").get<double>(), norms[rows], 10 * tolerance.training * norms[rows])
        << "step " << rows;
    ++rows;
  }
  EXPECT_EQ(rows, losses.size());
}

INSTANTIATE_TEST_SUITE_P(Models, Golden,
                         testing::Combine(testing::ValuesIn(kModels), testing::Values("float32", "float64")),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)) + "_" + std::get<1>(test.param);
                         });

/// The comparison notices a model that is nearly right.
TEST(GoldenComparison, SeesASmallFault) {
  const json gpt = stored("gpt_layernorm_biases"), llama = stored("llama_rmsnorm"), gemma = stored("gemma2"),
             qwen = stored("qwen3");
  struct Fault {
    const json& golden;
    std::string was, now;
  };
  const Fault faults[] = {{gpt, "", "--activation gelu_tanh"},
                          {gpt, "", "--norm_eps 2e-5"},
                          {llama, "", "--rope_theta 10500"},
                          {gemma, "--activation geglu_tanh", "--activation geglu"},
                          {gemma, "--attn_softcap 5", "--attn_softcap 5.1"},
                          {gemma, "--logit_softcap 3", "--logit_softcap 3.01"},
                          {gemma, "--embed_scale sqrt", "--embed_scale 5.65"},
                          {qwen, "--qk_norm rmsnorm", "--qk_norm rmsnorm:eps=1e-4"}};
  for (const auto& [golden, was, fault] : faults) {
    const TemporaryFolder folder;
    std::string text = flags(golden, "float32");
    ASSERT_NE(text.find(was), std::string::npos);
    text.replace(was.empty() ? text.size() : text.find(was), was.size(), " " + fault);
    const ArrayFileReader dump(make_dump(folder, golden, text));
    EXPECT_EQ(differences(dump, "params", golden.at("weights"), kFloat32.weights, 0), "") << fault;
    EXPECT_NE(differences(dump, "grads", golden.at("grads"), kFloat32.gradients, 0), "") << fault;
  }
}

}  // namespace
}  // namespace normscope::cli_test
