// label: train
// The memory that inspect foretells against what training then takes.
#include <nlohmann/json.hpp>

#include "cli_helpers.h"

namespace normscope::cli_test {
namespace {

TEST(Cost, PeakMemoryIsForetoldWithinFivePercent) {
  const TemporaryFolder folder;
  std::ofstream book(folder / "book.txt");
  for (int line = 0; line < 200000; ++line) book << "All of it again, " << line << " times.\n";
  book.close();
  // The second has much text for its model, the last a batch in parts, of which evaluation must not take more at once
  // either.
  for (const std::string keys : {"--preset micro --data synthetic:grammar", "--preset micro --data book.txt",
                                 "--preset nanogpt-cpu --data synthetic:grammar",
                                 "--preset llama-micro --batch_size 128 --data synthetic:grammar",
                                 "--preset micro --batch_size 256 --vocab_size 4000 --data synthetic:grammar"}) {
    const std::string all = keys + " --threads 2";
    const double foretold =
        nlohmann::json::parse(run(folder, "inspect " + all + " --json").out).at("peak_mb").get<double>();
    const Outcome trained =
        run(folder, "train " + all + " --max_iters 4 --eval_interval 0 --quiet --out_dir r --overwrite");
    ASSERT_EQ(trained.code, 0) << trained.err;
    EXPECT_NEAR(foretold, trained.peak_mb, 0.05 * trained.peak_mb) << keys;
  }
}

TEST(Cost, OfWeightsIsThatOfGradientsAndMomentsToo) {
  const TemporaryFolder folder;
  for (const auto& [optimizer, copies] : {std::pair("adamw", 4.0), std::pair("sgd", 3.0)}) {
    const Outcome told = run(folder, std::string("inspect --preset micro --json --optimizer ") + optimizer);
    ASSERT_EQ(told.code, 0) << told.err;
    const auto json = nlohmann::json::parse(told.out);
    const double bytes = json.at("parameters").get<double>() * sizeof(float) * copies;
    EXPECT_NEAR(json.at("weights_mb").get<double>(), bytes / (1 << 20), 1e-6 * bytes / (1 << 20)) << optimizer;
  }
}

TEST(Cost, OfWhatNoMachineHoldsIsForetoldToo) {
  const TemporaryFolder folder;
  const Outcome told = run(folder, "inspect --preset gpt2-124m --n_inner 400000 --batch_size 4096 --json");
  ASSERT_EQ(told.code, 0) << told.err;
  // Weights, gradients and two moments of 12 layers' MLPs alone: 2 x 768 x 400,000 x 12 x 16 bytes.
  EXPECT_GT(nlohmann::json::parse(told.out).at("peak_mb").get<double>(), 2.0 * 768 * 400000 * 12 * 16 / (1 << 20));
}

}  // namespace
}  // namespace normscope::cli_test
