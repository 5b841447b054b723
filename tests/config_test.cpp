// The config: precedence, types, what resolve() fills in and refuses, round trips, nearest keys.
#include <gtest/gtest.h>

#include <algorithm>
#include "config/config.h"
#include <normscope/core/engine.h>
#include <normscope/core/error.h>
#include <normscope/nn/init.h>
#include <normscope/nn/placement.h>
#include <normscope/norms/norm.h>

#include "cli_helpers.h"
#include "config/config_text.h"
#include "config/options.h"
#include "core/text_table.h"
#include "messages.h"

namespace normscope {
namespace {

using cli_test::TemporaryFolder;
using cli_test::write_text;
using messages::message_of;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

Config resolved(const std::map<std::string, std::string>& flags) {
  Config config;
  for (const auto& [key, value] : flags) config.set(key, value, "--" + key);
  config.resolve();
  return config;
}

TEST(Config, EveryKeyHasItsDefaultAndRoundTripsAsText) {
  Config config, copy;
  for (const KeyInfo& key : config_keys()) {
    EXPECT_EQ(config.where(key.name), "default");
    copy.set(key.name, config.get(key.name), "copy");
    EXPECT_EQ(copy.get(key.name), config.get(key.name)) << key.name;
    EXPECT_EQ(copy.where(key.name), "copy");
  }
  EXPECT_EQ(config.get("norm_eps"), "1e-05");
  EXPECT_EQ(config.get("tie_weights"), "true");
  EXPECT_EQ(config.probe, std::vector<std::string>{"*"});
  EXPECT_TRUE(config.stats.empty());
}

TEST(Config, PresetThenFileThenFlags) {
  const TemporaryFolder folder;
  Config config;
  config.load_preset("micro");
  EXPECT_EQ(config.n_embd, 64);
  EXPECT_HAS(config.where("n_embd"), "preset micro:");
  config.load_file(write_text(folder / "a.toml", "n_embd = 96\nmax_iters = 7\nnorm_bias = false\n"));
  config.set("max_iters", "9", "--max_iters");
  EXPECT_EQ(config.n_embd, 96);
  EXPECT_EQ(config.where("n_embd"), folder / "a.toml" + ":1");
  EXPECT_EQ(config.max_iters, 9);
  EXPECT_EQ(config.batch_size, 16);
  EXPECT_EQ(config.norm_bias, "false");
}

TEST(Config, DefaultsFollowTheFinalArch) {
  const Config gpt = resolved({}), llama = resolved({{"arch", "llama"}, {"n_embd", "288"}, {"n_head", "6"}});
  EXPECT_EQ(gpt.norm, "layernorm");
  EXPECT_EQ(gpt.activation, "gelu");
  EXPECT_EQ(gpt.n_inner, 512);
  EXPECT_EQ(gpt.n_kv_head, 4);
  EXPECT_EQ(gpt.final_norm, "true");
  EXPECT_EQ(llama.norm, "rmsnorm");
  EXPECT_EQ(llama.activation, "swiglu");
  EXPECT_EQ(llama.n_inner, 768);
  EXPECT_EQ(resolved({{"arch", "llama"}, {"n_embd", "64"}}).n_inner, 192);  // 170.7 up to a multiple of 32
  EXPECT_EQ(resolved({{"norm_placement", "post"}}).final_norm, "false");
  EXPECT_EQ(resolved({{"norm_placement", "post"}, {"final_norm", "true"}}).final_norm, "true");
  EXPECT_EQ(resolved({{"norm_placement", "N(0.5*x + F(x))"}}).final_norm, "false");
  EXPECT_EQ(resolved({{"norm_placement", "x + 2*F(N(x))"}}).final_norm, "true");
  EXPECT_EQ(gpt.init, "normal");
  EXPECT_EQ(resolved({{"init", "orthogonal"}}).init, "orthogonal");
}

TEST(Config, ScheduleDefaultsFollowTheirKeys) {
  const Config config = resolved({{"learning_rate", "0.02"}, {"max_iters", "70"}});
  EXPECT_DOUBLE_EQ(config.min_lr, 0.002);
  EXPECT_EQ(config.lr_decay_iters, 70);
  EXPECT_EQ(resolved({{"epochs", "3"}}).lr_decay_iters, 0);  // known only with the data
  EXPECT_EQ(resolved({{"min_lr", "0"}}).min_lr, 0.0);
}

TEST(Config, ResolveTwiceIsResolveOnce) {
  Config once = resolved({{"arch", "llama"}, {"norm", "layernorm:bias=false"}});
  const std::string before = once.to_json();
  once.resolve();
  EXPECT_EQ(once.to_json(), before);
  EXPECT_EQ(once.name, "llama-layernorm-bias-false-L4-C128-s1337");
  EXPECT_EQ(once.out_dir, "runs/" + once.name);
}

TEST(Config, JsonAndTomlRoundTrip) {
  const TemporaryFolder folder;
  Config config;
  const std::map<std::string, std::string> flags{{"data", "a \"quoted\" path, with\ttab"},
                                                 {"probe", "blocks.*,head"},
                                                 {"probe_interval", "3"},
                                                 {"learning_rate", "0.1"},
                                                 {"norm_eps", "1e-12"},
                                                 {"seed", "9007199254740993"},
                                                 {"n_layer", "12"}};
  for (const auto& [key, value] : flags) config.set(key, value, "test");
  config.set("block.10.norm", "rmsnorm", "test");
  config.set("block.3.norm_eps", "1e-6", "test");
  config.set("block.3.norm_placement", "x + scalar(a, 1)*F(x)", "test");
  config.set("block.3.mlp_norm", "none", "test");
  config.resolve();
  EXPECT_EQ(Config::from_json(config.to_json()).to_json(), config.to_json());
  Config again;
  again.load_file(write_text(folder / "config.toml", config.to_toml()));
  for (const KeyInfo& key : config_keys()) EXPECT_EQ(again.get(key.name), config.get(key.name)) << key.name;
  EXPECT_EQ(again.get("block.10.norm"), "rmsnorm");
  EXPECT_EQ(again.get("block.10.attn_norm"), "rmsnorm") << "the block's norm";
  EXPECT_EQ(again.get("block.9.attn_norm"), "layernorm") << "the model's norm";
  EXPECT_EQ(again.get("block.3.norm_placement"), "x + scalar(a, 1)*F(x)");
  EXPECT_EQ(again.get("block.3.mlp_norm"), "none");
  EXPECT_EQ(again.block.size(), 2u);
  EXPECT_EQ(again.block.begin()->first, 3);  // by number, though TOML sorts block.10 first
  EXPECT_EQ(again.learning_rate, 0.1);
  EXPECT_EQ(again.seed, 9007199254740993);
}

TEST(Config, UnknownKeysNameTheNearest) {
  Config config;
  const std::string message = message_of<UsageError>([&] { config.set("n_layr", "4", "--n_layr"); });
  for (const char* part : {"--n_layr", "'4'", "nearest key is n_layer"}) EXPECT_HAS(message, part);
  EXPECT_HAS(message_of<UsageError>([&] { config.set("lr", "1", "--lr"); }), "learning_rate");
  EXPECT_HAS(message_of<UsageError>([&] { config.set("warmup", "1", "--warmup"); }), "warmup_iters");
  EXPECT_EQ(nearest_word("Learning-Rate", config_key_names()), "learning_rate");
  EXPECT_EQ(nearest_word("rmsnrom", {"layernorm", "rmsnorm"}), "rmsnorm");
}

TEST(Config, AWordThatIsNotNearIsNoHint) {
  EXPECT_EQ(nearest_word("batchnorm", {"layernorm", "rmsnorm"}), "");
  EXPECT_EQ(nearest_word("x", {"a", "dy"}), "") << "fewer edits than letters";
  EXPECT_EQ(nearest_word("gradient_clippings", {"gradient_clip"}), "gradient_clip") << "a third of the length";
  EXPECT_EQ(nearest_word("warmup", {"warmup_iters"}), "warmup_iters") << "part of the word";
  EXPECT_EQ(nearest_text("batchnorm", {"rmsnorm"}), "");
  EXPECT_EQ(nearest_text("rmsnrom", {"rmsnorm"}), "; the nearest is rmsnorm");
  Config config;
  const std::string message = message_of<UsageError>([&] { config.set("photosynthesis", "4", "x.toml:1"); });
  EXPECT_HAS(message, "unknown key 'photosynthesis' (value '4'); normscope help train lists all");
}

TEST(Config, ADefaultNameTellsTheData) {
  const auto name = [](const std::string& data) { return resolved({{"data", data}}).name; };
  EXPECT_EQ(name("data/shakespeare/input.txt"), "gpt-layernorm-L4-C128-shakespeare-s1337");
  EXPECT_EQ(name("my book.txt"), "gpt-layernorm-L4-C128-my-book-s1337");
  EXPECT_EQ(name("prepared/book/"), "gpt-layernorm-L4-C128-book-s1337");
  EXPECT_EQ(name("synthetic:markov:tokens=5000"), "gpt-layernorm-L4-C128-markov-s1337");
  EXPECT_EQ(name("input.txt"), "gpt-layernorm-L4-C128-s1337");
  EXPECT_EQ(name(""), "gpt-layernorm-L4-C128-s1337");
}

TEST(Config, FilesNameTheirLine) {
  const TemporaryFolder folder;
  const std::string file = folder / "bad.toml";
  const auto load = [&](const std::string& text) {
    write_text(file, text);
    return message_of<UsageError>([&] { Config().load_file(file); });
  };
  EXPECT_HAS(load("\nn_layr = 4\n"), file + ":2: ");
  EXPECT_HAS(load("n_layer = 4\nn_head == 2\n"), file + ":2:9: ");
  EXPECT_HAS(load("n_layer = \"4\"\n"), "n_layer takes a value of type integer, not string");
  EXPECT_HAS(load("n_layer = 4.0\n"), file + ":1: n_layer");
  EXPECT_HAS(load("learning_rate = nan\n"), "finite");
  EXPECT_HAS(load("[model]\nn_layer = 4\n"), "[block.N]");
  EXPECT_HAS(load("[block.1]\nn_head = 2\n"), "cannot be set for one block");
  EXPECT_HAS(load("[block.x]\nnorm = \"none\"\n"), "not a block");
  EXPECT_HAS(load("block = 3\n"), "block is a table");
  EXPECT_HAS(message_of<UsageError>([] { Config().load_file("/nowhere/at/all.toml"); }),
             "the config file does not exist");
  EXPECT_HAS(message_of<UsageError>([&] { Config().load_file(folder.path().string()); }), "directory");
  EXPECT_HAS(message_of<UsageError>([] { Config().load_preset("mico"); }), "the nearest is micro");
}

TEST(Config, ValuesOfTheWrongTypeAreRefused) {
  const std::vector<std::pair<std::string, std::string>> wrong{{"n_layer", "1e3"},
                                                               {"n_layer", "5_000"},
                                                               {"n_layer", ""},
                                                               {"n_layer", "4 2"},
                                                               {"n_layer", "99999999999999999999"},
                                                               {"dropout", "inf"},
                                                               {"dropout", "nan"},
                                                               {"dropout", "x"},
                                                               {"dropout", "0.1x"},
                                                               {"bias", "1"},
                                                               {"bias", "yes"}};
  for (const auto& [key, value] : wrong) {
    Config config;
    const std::string message = message_of<UsageError>([&] { config.set(key, value, "--" + key); });
    EXPECT_HAS(message, key + " = '" + value + "'");
  }
}

TEST(Lists, OneRule) {
  using L = std::vector<std::string>;
  EXPECT_EQ(split_list(""), L{});
  EXPECT_EQ(split_list(" layernorm ,\trmsnorm "), (L{"layernorm", "rmsnorm"}));
  EXPECT_EQ(split_list("a,"), (L{"a", ""}));
  EXPECT_EQ(split_list("\"a,b\", 'c,d' ,e"), (L{"a,b", "c,d", "e"}));
  EXPECT_EQ(split_list("\"say \"\"hi\"\", you\""), L{"say \"hi\", you"});
  EXPECT_EQ(split_list("'tis,b"), (L{"'tis", "b"}));
  EXPECT_EQ(split_list("mix(x, N(y, z)),pre"), (L{"mix(x, N(y, z))", "pre"}));
  EXPECT_EQ(split_list("open(1,2"), (L{"open(1", "2"}));
  EXPECT_EQ(split_list("rmsnorm, formula: x / max(a, b), c"), (L{"rmsnorm", "formula: x / max(a, b), c"}));
  for (const L& values : {L{"a"}, L{"a,b", "c"}, L{" a"}, L{"\"q\"", "'"}, L{"formula: x, y", "b"}, L{"f(", "g)"}})
    EXPECT_EQ(split_list(join_list(values)), values) << join_list(values);
}

TEST(Lists, ArrayCommaListAndSetListAreTheSame) {
  Config comma, list;
  comma.set("norm", "layernorm, rmsnorm", "--norm");
  list.set_list("norm", {"layernorm", "rmsnorm"}, "--norm");
  EXPECT_EQ(comma.lists, list.lists);
  EXPECT_EQ(comma.lists.at("norm").size(), 2u);
  EXPECT_HAS(message_of<UsageError>([&] { comma.resolve(); }), "is a list; give one value");
  comma.set("norm", "rmsnorm", "--norm");  // a later value replaces the list
  EXPECT_TRUE(comma.lists.empty());
  EXPECT_NO_THROW(comma.resolve());
  Config path;
  path.set("data", "a,b.txt", "--data");
  EXPECT_EQ(path.data, "a,b.txt");
  path.set("data", "'a,b.txt'", "--data");
  EXPECT_EQ(path.data, "a,b.txt");
}

bool norm_over_more_than_a_row(const std::string& name) {
  return std::any_of(norm_table().begin(), norm_table().end(),
                     [&](const NormEntry& entry) { return entry.name == name && entry.over != Over::rows; });
}

/// Each default is among the choices of its key, and each choice is accepted: the table agrees with itself.
TEST(Config, ChoicesHoldTheDefaultAndAreAccepted) {
  for (const KeyInfo& key : config_keys()) {
    const auto choices = key_choices(key);
    if (choices.empty()) continue;
    EXPECT_NE(std::find(choices.begin(), choices.end(), key.fallback), choices.end()) << key.name;
    for (const std::string& choice : choices) {
      const bool of_heads = key.name == std::string("qk_norm") || key.name == std::string("v_norm");
      if (of_heads && norm_over_more_than_a_row(choice)) continue;  // refused with the reason
      const bool of_mlp = choice == "before" || choice == "after";
      EXPECT_NO_THROW(resolved(of_mlp ? std::map<std::string, std::string>{{"arch", "mlp"}, {key.name, choice}}
                                      : std::map<std::string, std::string>{{key.name, choice}}))
          << key.name << choice;
    }
  }
}

TEST(Config, AKeyThatIsNotThereHasNoRole) { EXPECT_FALSE(role_is("no_such_key", {KeyRole::watch, KeyRole::model})); }

TEST(Config, NormsOfHeadsTakeOptionsAndWhole) {
  const Config c = resolved({{"qk_norm", "layernorm:whole=true+bias=false+eps=0"}, {"v_norm", "l2"}});
  const ModelOptions o = model_options(c, {.classes = 65});
  EXPECT_EQ(o.qk_norm->norm.name, "layernorm");
  EXPECT_TRUE(o.qk_norm->whole);
  EXPECT_EQ(o.qk_norm->norm.bias, false);
  EXPECT_EQ(o.qk_norm->norm.eps, 0);
  EXPECT_TRUE(o.qk_norm->norm.options.empty());
  EXPECT_EQ(o.v_norm->norm.name, "l2");
  EXPECT_FALSE(o.v_norm->whole);
  EXPECT_FALSE(model_options(resolved({}), {.classes = 65}).qk_norm);
  const Config old = resolved({{"qk_norm", "false"}});  // as older versions wrote it
  EXPECT_EQ(old.qk_norm, "none");
  EXPECT_FALSE(model_options(old, {.classes = 65}).qk_norm);
  EXPECT_TRUE(parse_head_norm("rmsnorm:whole", {}).whole);
  for (const auto& [value, said] : {std::pair("rmsnrom", "the nearest is rmsnorm"),
                                    std::pair("rmsnorm:whole=yes", "whole = \"yes\" must be true or false"),
                                    std::pair("rmsnorm:p=2", "has no option \"p\""), std::pair("l2:p=2", "no option")})
    for (const char* key : {"qk_norm", "v_norm"})
      EXPECT_HAS(message_of<UsageError>([&, k = key, v = value] { resolved({{k, v}}); }), said) << value;
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"norm", "rmsnorm:whole=true"}}); }), "no option \"whole\"");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"qk_norm", "l2"}, {"block_size", "1"}}); }), "L of 2 or more");
}

TEST(Config, EmbedScaleIsANumberOrAName) {
  const auto options = [](const char* value) {
    return model_options(resolved({{"embed_scale", value}, {"n_embd", "64"}}), {.classes = 65});
  };
  EXPECT_EQ(options("2.5").embed_scale, 2.5);
  EXPECT_EQ(options("sqrt").embed_scale, 8);
  EXPECT_FALSE(options("sqrt").train_embed_scale);
  EXPECT_EQ(options("learnable").embed_scale, 8);
  EXPECT_TRUE(options("learnable").train_embed_scale);
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"embed_scale", "sqr"}}); }), "the nearest is sqrt");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"embed_scale", "-1"}}); }), "a number above 0");
  Config axis;
  axis.set("embed_scale", "1,sqrt,0.5", "--embed_scale");
  EXPECT_EQ(axis.lists.at("embed_scale").size(), 3u);
}

TEST(Config, KeysOfTheTransformerMeanNothingForMlp) {
  for (const char* key : {"qk_norm", "v_norm", "embed_norm"})
    EXPECT_HAS(message_of<UsageError>([&] { resolved({{"arch", "mlp"}, {key, "rmsnorm"}}); }),
               "does not apply to arch");
  for (const char* key : {"attn_softcap", "logit_softcap", "embed_scale"})
    EXPECT_HAS(message_of<UsageError>([&] { resolved({{"arch", "mlp"}, {key, "2"}}); }), "does not apply to arch");
}

TEST(Names, AnErrorListsWhatThereIsAndTheNearest) {
  const std::string norm = message_of<UsageError>([] { norm_entry("rmsnrom"); });
  EXPECT_EQ(norm.find("norm = \"rmsnrom\" is unknown; allowed: "), 0u) << norm;
  EXPECT_HAS(norm, "; the nearest is rmsnorm");
  for (const NormEntry& entry : norm_table()) EXPECT_HAS(norm, entry.name);
  EXPECT_HAS(message_of<UsageError>([] { init_entry("xavir"); }), "the nearest is xavier");
  const std::string placement = message_of<UsageError>([] { placement_entry("pots"); });
  EXPECT_HAS(placement, "the nearest is post");
  EXPECT_HAS(placement, "a formula such as 'x + F(N(x))'");
  EXPECT_HAS(message_of<UsageError>([] { gemm_backend("highwy"); }), "the nearest is highway");
}

TEST(Tables, ColumnsLineUpByCharacters) {
  EXPECT_EQ(table({"name", "n", "remark"}, {{"Gr\u00fc\u00dfe", "7", "x"}, {"a", "1234", ""}}, {false, true}),
            "name      n  remark\n"
            "Gr\u00fc\u00dfe     7  x\n"
            "a      1234\n");
  EXPECT_EQ(facts({{"status", "done"}, {"steps", "20"}}), "status  done\nsteps   20\n");
}

TEST(Config, ResolveRefusesWhatCannotBe) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"n_layer", "0"},         {"n_head", "-1"},        {"n_head", "3"},       {"n_kv_head", "3"},
      {"n_embd", "9999999999"}, {"block_size", "0"},     {"batch_size", "0"},   {"dropout", "1"},
      {"dropout", "-0.1"},      {"beta1", "1"},          {"beta2", "-0.5"},     {"learning_rate", "0"},
      {"min_lr", "-0.5"},       {"weight_decay", "-1"},  {"grad_clip", "-1"},   {"norm_eps", "-0.5"},
      {"max_iters", "0"},       {"seed", "-1"},          {"log_interval", "0"}, {"probe_interval", "0"},
      {"rope_theta", "0"},      {"arch", "gptt"},        {"activation", "glu"}, {"init", "zero"},
      {"tokenizer", "word"},    {"sampler", "shufle"},   {"optimizer", "adam"}, {"dtype", "float16"},
      {"attn_softcap", "-1"},   {"logit_softcap", "-5"}, {"embed_scale", "0"},  {"gemm", "mkl"},
      {"norm_bias", "no"},      {"name", "a/b"},         {"name", "-x"}};
  for (const auto& [key, value] : wrong) {
    const std::string message = message_of<UsageError>([&, k = key, v = value] { resolved({{k, v}}); });
    EXPECT_HAS(message, value);
    EXPECT_HAS(message, "--" + key);
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"optimizer", "adam"}}); }), "nearest is adamw");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"arch", "conv"}}); }), "is unknown; allowed: gpt, llama");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"norm", "rmsnrom:eps=1"}}); }), "the nearest is rmsnorm");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"block.1.norm", "rmsnrom"}}); }), "block.1.norm = rmsnrom");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"final_norm", "ture"}}); }), "the nearest is true");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"norm_placement", "pots"}}); }), "allowed: auto, pre, post");
  EXPECT_NO_THROW(resolved({{"qk_norm", "none"}, {"init", "normal"}, {"stats", ""}, {"final_norm", "rmsnorm:eps=0"}}));
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"arch", "llama"}, {"n_embd", "12"}}); }), "odd head width 3");
  EXPECT_NO_THROW(resolved({{"n_embd", "12"}}));  // RoPE's rule is llama's alone
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"block.4.norm", "none"}}); }), "n_layer = 4 has blocks 0 to 3");
  EXPECT_NO_THROW(resolved({{"block.3.norm", "none"}}));
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"block.3.norm_eps", "-1"}}); }), "out of range");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"norm_placement", "x + F(y)"}}); }), "column 7: 'y' is unknown");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"block.3.norm_placement", "pots"}}); }), "nearest is post");
  EXPECT_HAS(message_of<UsageError>([] { resolved({{"init", "norml"}}); }), "nearest is normal");
}

}  // namespace
}  // namespace normscope
