// Norms over channels, the batch and weights. Stored numbers come from NumPy, as torch.nn.BatchNorm1d, GroupNorm and
// InstanceNorm2d define them.
#include <normscope/autograd/gradcheck.h>
#include <normscope/models/model.h>
#include <normscope/norms/norm.h>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

const double kClose = tolerance(4e-6, 1e-13);
const std::vector<double> kX{1, -2, 0.5, 4, 2, 0, -1, 3, -0.5, 1, 2, -3, 3, 5, 0.25, 1};

struct Made {
  std::unique_ptr<Parameters> parameters = std::make_unique<Parameters>(engine(), 1);
  std::unique_ptr<Norm> norm{};
  std::vector<double> buffer(std::size_t i) const { return numbers(parameters->buffers().at(i).value); }
};

/// Of width 4, with the gain and bias of the stored numbers.
Made made(const std::string& variant, std::int64_t places = 1) {
  Made m;
  m.norm = make_norm({*m.parameters, "n", -1, "norm"}, parse_norm(variant, {}), 4, places);
  const double gain[] = {0.5, -1, 2, 1.5}, bias[] = {0.1, 0.2, -0.3, 0};
  std::transform(gain, gain + 4, m.parameters->at("n.gain").value(), as_real);
  std::transform(bias, bias + 4, m.parameters->at("n.bias").value(), as_real);
  return m;
}

Pass training(std::int64_t step, std::uint64_t micro_step) {
  return {.training = true, .micro_step = micro_step, .step = step};
}

TEST(BatchNorm, NormalizesByTheBatchAndKeepsTheUnbiasedVariance) {
  const Made m = made("batchnorm");
  EXPECT_TRUE(m.parameters->needs_whole_batch());
  EXPECT_EQ(m.parameters->numel(), 8);
  const Variable x = leaf({4, 4}, kX);
  expect_close(numbers(m.norm->forward(x, training(0, 0))),
               {-0.04501003968261297, 1.3766959056787558, -0.18275843934846606, 1.5386318632442895,  //
                0.34168339947102166, 0.5922319685595853, -2.9965558949852804, 0.9791293675190935,    //
                -0.625050198413065, 0.2, 2.6310390162883484, -2.377885606832084,                     //
                0.7283768386246562, -1.368927874238341, -0.6517246819546019, -0.13987562393129907},
               kClose);
  m.norm->after_update(0);
  expect_close(m.buffer(0), {0.1375, 0.1, 0.04375, 0.125}, kClose);
  expect_close(m.buffer(1), {1.1229166666666668, 1.7666666666666666, 1.0515625, 1.8583333333333334}, kClose);
}

TEST(BatchNorm, EvaluatesARowByTheRunningStatisticsAndLeavesThem) {
  const Made m = made("batchnorm");
  m.norm->forward(leaf({4, 4}, kX), training(0, 0));
  m.norm->after_update(0);
  const auto mean = m.buffer(0), variance = m.buffer(1);
  const Variable y = m.norm->forward(leaf({1, 4}, {1, -2, 0.5, 4}));
  const double gain[] = {0.5, -1, 2, 1.5}, bias[] = {0.1, 0.2, -0.3, 0};
  std::vector<double> expected;
  for (std::size_t i = 0; i < 4; ++i)
    expected.push_back(bias[i] + gain[i] * (kX[i] - mean[i]) / std::sqrt(variance[i] + 1e-5));
  expect_close(numbers(y), expected, kClose);
  const Tensor whole = m.norm->forward(leaf({4, 4}, kX)).value();
  EXPECT_EQ(numbers(y), std::vector<double>(whole.data(), whole.data() + 4));  // independent of its batch
  m.norm->after_update(1);
  EXPECT_EQ(m.buffer(0), mean);
  EXPECT_EQ(m.buffer(1), variance);
}

TEST(BatchNorm, MovesOnceAStepByTheMeanOfItsMicroBatches) {
  const Made m = made("batchnorm:momentum=0.5");
  const Variable a = leaf({2, 4}, {1, 0, 0, 2, 3, 0, 4, 2}), b = leaf({2, 4}, {5, 2, 0, 0, 5, 0, 0, 8});
  m.norm->forward(a, training(0, 0));
  m.norm->forward(b, training(0, 1));
  m.norm->forward(b, training(0, 1));  // a replay
  m.norm->forward(a, training(0, 0));
  EXPECT_EQ(m.buffer(0), std::vector<double>(4, 0));
  m.norm->after_update(0);
  expect_close(m.buffer(0), {1.75, 0.25, 0.5, 1.5}, kClose);  // batch means 2 0 2 2 and 5 1 0 4
  expect_close(m.buffer(1), {1, 1, 2.5, 8.5}, kClose);        // unbiased variances 2 0 8 0 and 0 2 0 32
  m.norm->after_update(0);
  expect_close(m.buffer(0), {1.75, 0.25, 0.5, 1.5}, kClose);
  m.norm->forward(b, training(1, 2));  // of a step that was not finished: no update followed
  m.norm->forward(a, training(2, 4));
  m.norm->after_update(2);
  expect_close(m.buffer(0), {1.875, 0.125, 1.25, 1.75}, kClose);
}

TEST(BatchNorm, CannotTrainOnOneRow) {
  const Made m = made("batchnorm");
  const Variable row = leaf({1, 4}, {1, 2, 3, 4});
  expect_says(message_of<UsageError>([&] { m.norm->forward(row, training(0, 0)); }), {"1 row", "variance is 0"});
  m.norm->forward(row);
}

TEST(GroupNorm, IsOverTheChannelsOfAGroupAndThePlacesOfASample) {
  expect_close(numbers(made("groupnorm:groups=2").norm->forward(leaf({4, 4}, kX))),
               {0.5999988888925926, 1.1999977777851851, -2.299996734701874, 1.4999975510264056,   //
                0.5999975000187499, 1.1999950000374997, -2.2999975000046873, 1.4999981250035157,  //
                -0.3999955556148139, -0.7999911112296278, 1.69999840000192, -1.49999880000144,    //
                -0.3999975000187499, -0.7999950000374998, -2.2999288926812564, 1.4999466695109425},
               kClose);
  expect_close(numbers(made("groupnorm:groups=2", 2).norm->forward(leaf({2, 2, 4}, kX))),
               {0.35354569688619586, 1.721274181317175, -1.436148477100823, 1.7989017554096365,    //
                0.6916066260677902, 0.36903046459079725, -2.9510131132352533, 1.041469437342421,   //
                -0.5331730868305039, 0.7427197887118606, 1.7678128283331678, -2.4513587561691583,  //
                0.311057695610168, -1.1869505711525326, -0.09988908112904829, 0.7504159457660688},
               kClose);
}

TEST(GroupNorm, OfOneGroupIsLayerNormAndOfAllIsInstanceNorm) {
  const Variable x = random_leaf({6, 4}, "x");
  const Tensor dy = random_tensor({6, 4}, "dy");
  const auto result = [&](const Made& m) { return run_with_gradients({x}, [&] { return m.norm->forward(x); }, dy); };
  const Result group = result(made("groupnorm:groups=1")), layer = result(made("layernorm:bias=true"));
  EXPECT_LE(error_of(numbers(group.value), numbers(layer.value)), tolerance(1e-6, 1e-15));
  EXPECT_LE(error_of(numbers(group.gradients[0]), numbers(layer.gradients[0])), tolerance(2e-6, 1e-14));
  EXPECT_TRUE(same_bits(result(made("groupnorm:groups=4", 3)).value, result(made("instancenorm", 3)).value));
}

TEST(InstanceNorm, IsOverThePlacesOfASample) {
  expect_close(numbers(made("instancenorm", 2).norm->forward(leaf({4, 4}, kX))),
               {-0.39999000029999, 1.1999950000374997, 1.6999822224592558, 1.49997000089997,       //
                0.59999000029999, -0.7999950000374998, -2.299982222459256, -1.49997000089997,      //
                -0.3999991836754685, 1.1999987500023437, 1.6999869389034554, -1.4999981250035157,  //
                0.5999991836754686, -0.7999987500023438, -2.2999869389034555, 1.4999981250035157},
               kClose);
  expect_says(message_of([] { made("instancenorm", 3).norm->forward(leaf({4, 4}, kX)); }), {"[4, 4]", "3 places"});
}

TEST(ChannelNorms, SayWhereTheyDoNotFit) {
  const auto says = [](const std::string& norm, const NormSite& site, const std::vector<std::string>& parts) {
    expect_says(message_of<UsageError>([&] { require_fit(parse_norm(norm, {}), site); }), parts);
  };
  says("groupnorm:groups=3", {.width = 4}, {"groupnorm", "3 does not divide", "4"});
  says("groupnorm:groups=2.5", {.width = 4}, {"2.5", "whole number"});
  says("instancenorm", {.width = 4}, {"one place", "exactly 0"});
  for (const char* norm : {"batchnorm", "instancenorm"})
    says(norm, {.width = 4, .causal = true}, {norm, "future tokens"});
  says("weightnorm", {.width = 4}, {"re-parametrisation of hidden matrices"});
  require_fit(parse_norm("groupnorm:groups=4", {}), {.width = 4, .causal = true});
}

TEST(ChannelNorms, HaveTheGradientOfFiniteDifferences) {
  if (!kDouble) return;  // float32 has no digits for differences
  struct Case {
    const char* norm;
    std::int64_t places;
  };
  for (const Case& c :
       {Case{"batchnorm", 1}, {"groupnorm:groups=2", 1}, {"groupnorm:groups=2", 3}, {"instancenorm", 3}})
    for (const bool in_training : {false, true}) {
      const Made m = made(c.norm, c.places);
      std::vector<Variable> leaves{random_leaf({6, 4}, "x")};
      for (const Parameter& p : m.parameters->all()) leaves.push_back(p.leaf);
      const Pass pass{.training = in_training};
      for (const GradientError& e : check_gradients(leaves, [&] { return m.norm->forward(leaves[0], pass); }, {}))
        EXPECT_LE(e.error, 1e-6) << c.norm << " " << e.tensor;
    }
}

TEST(WeightNorm, IsGainTimesTheDirectionOfEachRow) {
  Parameters parameters(engine(), 1);
  const Weight weight = norm_entry("weightnorm").weight({parameters, "fc", 0, "mlp"}, {2, 2}, Init::constant(3));
  const Parameter &v = parameters.at("fc.weight"), &g = parameters.at("fc.gain");
  expect_close(numbers(weight()), {3, 3, 3, 3}, kClose);  // as it begins
  const std::vector<double> rows{3, 4, 0, -2}, gains{10, 0.5};
  std::transform(rows.begin(), rows.end(), v.value(), as_real);
  std::transform(gains.begin(), gains.end(), g.value(), as_real);
  const Result r = run_with_gradients({v.leaf, g.leaf}, weight, tensor({2, 2}, {1, 0, 2, 1}));
  expect_close(numbers(r.value), {6, 8, 0, -0.5}, kClose);
  // dv = g / |v| (dW - u (u . dW)), dg = u . dW with u = v / |v|: dv is at right angles to v
  expect_close(numbers(r.gradients[0]), {2 * (1 - 0.36), 2 * (-0.48), 0.5, 0}, kClose);
  expect_close(numbers(r.gradients[1]), {0.6, -1}, kClose);
}

ModelOptions mlp(const std::string& norm) {
  ModelOptions o;
  o.arch = "mlp";
  o.n_layer = 2;
  o.n_embd = 8;
  o.features = 6;
  o.vocab_size = 5;
  o.placement = "before";
  o.norm = parse_norm(norm, {});
  return o;
}

TEST(WeightNorm, BeginsAsTheModelWithoutNorm) {
  const auto logits = [](const std::string& norm) {
    const auto model = make_model(engine(), mlp(norm), 3);
    const Batch batch = model->make_batch(4);
    const Tensor x = random_tensor({4, 6}, "features");
    std::copy_n(x.data(), x.numel(), batch.features.data());
    return numbers(model->logits(batch, {}));
  };
  EXPECT_LE(error_of(logits("weightnorm"), logits("none")), tolerance(1e-6, 1e-14));
  std::vector<std::string> paths;
  const auto model = make_model(engine(), mlp("weightnorm"), 3);
  for (const Parameter& p : model->parameters().all())
    if (p.path.find("bias") == std::string::npos) paths.push_back(p.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"blocks.0.fc.weight", "blocks.0.fc.gain", "blocks.1.fc.weight",
                                             "blocks.1.fc.gain", "head.weight"}));
}

TEST(ChannelNorms, AreRefusedInTransformersWithTheReason) {
  for (const char* arch : {"gpt", "llama"})
    for (const char* norm : {"batchnorm", "instancenorm", "weightnorm"}) {
      ModelOptions o;
      o.arch = arch;
      o.norm.name = norm;
      const char* reason = std::string(norm) == "weightnorm" ? "re-parametrisation" : "future tokens";
      expect_says(message_of<UsageError>([&] { make_model(engine(), o, 1); }), {norm, reason});
      o.norm.name = "layernorm";
      o.block[1].mlp_norm = parse_norm(norm, {});
      expect_says(message_of<UsageError>([&] { make_model(engine(), o, 1); }), {norm, reason});
      o.block.clear();
      o.embed_norm = parse_norm(norm, {});
      expect_says(message_of<UsageError>([&] { make_model(engine(), o, 1); }), {norm, reason});
      o.embed_norm.reset();
      o.final_norm_spec = parse_norm(norm, {});
      expect_says(message_of<UsageError>([&] { make_model(engine(), o, 1); }), {norm, reason});
    }
}

TEST(FixNorm, IsForTheEmbeddingOnly) {
  for (const char* arch : {"gpt", "llama", "mlp"}) {
    ModelOptions o;
    o.arch = arch;
    o.features = 5;
    o.norm.name = "fixnorm";
    if (std::string(arch) == "mlp") o.placement = "before";
    expect_says(message_of<UsageError>([&] { make_model(engine(), o, 1); }), {"fixnorm", "--embed_norm"});
  }
  ModelOptions o;
  o.embed_norm = parse_norm("fixnorm", {});
  EXPECT_NO_THROW(make_model(engine(), o, 1));
}

}  // namespace
}  // namespace normscope::real_test
