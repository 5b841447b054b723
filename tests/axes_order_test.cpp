// The order in which a user writes axes says which one is compared; files keep their names whatever it is.
#include <nlohmann/json.hpp>

#include <fstream>

#include "cli_helpers.h"

namespace normscope::cli_test {
namespace {

const std::string kSmall =
    "ablate --data synthetic:grammar --train_tokens 4000 --n_head 2 --n_embd 16 --block_size 8 --batch_size 4 "
    "--threads 1 --max_iters 2 --seeds 2 --eval_interval 0 --quiet ";

std::vector<std::string> axes_of(const Outcome& outcome) {
  std::vector<std::string> keys;
  const auto json = nlohmann::ordered_json::parse(outcome.out);
  for (const auto& [key, values] : json["axes"].items()) keys.push_back(key);
  return keys;
}

TEST(AxesOrder, IsThatOfTheCommandLineThenOfTheFile) {
  const TemporaryFolder folder;
  const Outcome typed = run(folder, kSmall + "--norm layernorm,rmsnorm --n_layer=1,2 --out_dir s --json");
  ASSERT_EQ(typed.code, 0) << typed.err;
  EXPECT_EQ(axes_of(typed), (std::vector<std::string>{"norm", "n_layer"}));
  const Outcome turned = run(folder, kSmall + "--n_layer 1,2 --norm layernorm,rmsnorm --out_dir s --json");
  ASSERT_EQ(turned.code, 0) << turned.err;  // the same runs: nothing is trained again
  EXPECT_EQ(axes_of(turned), (std::vector<std::string>{"n_layer", "norm"}));
  EXPECT_NE(run(folder, kSmall + "--n_layer 1,2 --norm layernorm,rmsnorm --out_dir s").out.find("LayerNorm: L2's"),
            std::string::npos);

  std::ofstream(folder / "study.toml") << "norm = \"layernorm,rmsnorm\"\nn_layer = 1\nactivation = \"gelu,relu\"\n";
  const Outcome file = run(folder, kSmall + "--config study.toml --n_layer 1,2 --seeds 1 --out_dir t --json");
  ASSERT_EQ(file.code, 0) << file.err;
  EXPECT_EQ(axes_of(file), (std::vector<std::string>{"n_layer", "norm", "activation"}));
}

TEST(AxesOrder, CompareKeepsIt) {
  const TemporaryFolder folder;
  const Outcome study = run(folder, kSmall + "--norm layernorm,rmsnorm --n_layer 1,2 --out_dir s");
  ASSERT_EQ(study.code, 0) << study.err;
  // In learning_rate the paths differ, so it is compared.
  const Outcome faster =
      run(folder, kSmall + "--norm layernorm,rmsnorm --n_layer 1,2 --learning_rate 0.002 --out_dir v");
  ASSERT_EQ(faster.code, 0) << faster.err;
  const Outcome compared = run(folder, "compare s v --out_dir w --json");
  ASSERT_EQ(compared.code, 0) << compared.err;
  EXPECT_EQ(axes_of(compared), (std::vector<std::string>{"learning_rate", "norm", "n_layer"}));
}

}  // namespace
}  // namespace normscope::cli_test
