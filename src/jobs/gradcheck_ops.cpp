#include "jobs/gradcheck_ops.h"

NORMSCOPE_BEGIN

namespace {

using In = const std::vector<Variable>&;

/// kinks and poles; everything else is smooth everywhere
Domain domain_of(const std::string& name) {
  if (name == "sqrt" || name == "log") return Domain::positive;
  if (name == "relu" || name == "abs" || name == "reciprocal") return Domain::nonzero;
  return Domain::any;
}

void add_unary(std::vector<OpCase>& cases) {
  const std::vector<std::pair<std::string, Variable (*)(const Variable&)>> table{
#define UNARY(name, formula) {#name, name},
#include <normscope/core/unary.def>
#undef UNARY
  };
  for (const auto& [name, function] : table) {
    const bool exponential = name == "exp";  // e^1000 is no number
    cases.push_back({name, {{3, 7}}, [f = function](In v) { return f(v[0]); }, domain_of(name), exponential ? 1 : 1e3});
  }
}

void add_arithmetic(std::vector<OpCase>& cases) {
  cases.push_back({"add", {{3, 4}, {3, 4}}, [](In v) { return add(v[0], v[1]); }});
  cases.push_back({"add broadcast", {{2, 3, 4}, {3, 1}}, [](In v) { return add(v[0], v[1]); }});
  cases.push_back({"subtract", {{3, 4}, {4}}, [](In v) { return subtract(v[0], v[1]); }});
  cases.push_back({"multiply", {{3, 4}, {3, 4}}, [](In v) { return multiply(v[0], v[1]); }});
  cases.push_back({"multiply broadcast", {{2, 3, 4}, {1, 4}}, [](In v) { return multiply(v[0], v[1]); }});
  cases.push_back({"multiply by itself", {{3, 4}}, [](In v) { return multiply(v[0], v[0]); }});
  cases.push_back({"divide", {{3, 4}, {3, 1}}, [](In v) { return divide(v[0], v[1]); }, Domain::nonzero});
  cases.push_back({"scale", {{5}}, [](In v) { return scale(v[0], -2.5); }});
  cases.push_back({"softcap", {{5}}, [](In v) { return softcap(v[0], 3); }, Domain::any, 1, false});  // then flat
  cases.push_back({"add_scalar", {{5}}, [](In v) { return add_scalar(v[0], 3); }});
  cases.push_back({"broadcast_to", {{3, 1}}, [](In v) { return broadcast_to(v[0], {2, 3, 4}); }});
  cases.push_back({"sum", {{3, 4}}, [](In v) { return sum(v[0]); }});
  cases.push_back({"mean", {{3, 4}}, [](In v) { return mean(v[0]); }});
  cases.push_back({"sum_last", {{3, 4}}, [](In v) { return sum_last(v[0]); }});
  cases.push_back({"max_last", {{3, 4}}, [](In v) { return max_last(v[0]); }});
  cases.push_back({"mean_last", {{3, 4}}, [](In v) { return mean_last(v[0]); }});
}

void add_shapes(std::vector<OpCase>& cases) {
  cases.push_back({"reshape", {{3, 4}}, [](In v) { return reshape(v[0], {2, 6}); }});
  cases.push_back({"transpose", {{2, 3, 4}}, [](In v) { return transpose(v[0], 0, 2); }});
  cases.push_back({"slice", {{3, 5}}, [](In v) { return slice(v[0], 1, 1, 4); }});
  cases.push_back({"concat", {{3, 2}, {3, 4}}, [](In v) { return concat({v[0], v[1]}, 1); }});
}

void add_products(std::vector<OpCase>& cases) {
  cases.push_back({"matmul", {{3, 5}, {5, 4}}, [](In v) { return matmul(v[0], v[1]); }});
  cases.push_back({"matmul batched", {{2, 3, 5}, {2, 5, 4}}, [](In v) { return matmul(v[0], v[1]); }});
  cases.push_back({"linear", {{2, 3, 5}, {4, 5}}, [](In v) { return linear(v[0], v[1]); }});
  cases.push_back({"linear with bias", {{6, 5}, {4, 5}, {4}}, [](In v) { return linear(v[0], v[1], v[2]); }});
}

void add_rows(std::vector<OpCase>& cases, Engine& engine) {
  const Indices targets = Indices::from(engine, {4}, {0, 2, 1, 5});
  const Indices tokens = Indices::from(engine, {2, 3}, {0, 2, 2, 4, 1, 0});
  cases.push_back({"softmax", {{4, 6}}, [](In v) { return softmax(v[0]); }});
  cases.push_back({"cross_entropy", {{4, 6}}, [targets](In v) { return cross_entropy(v[0], targets); }});
  cases.push_back({"swiglu", {{3, 8}}, [](In v) { return swiglu(v[0]); }});
  cases.push_back({"embedding", {{5, 3}}, [tokens](In v) { return embedding(v[0], tokens); }});
  cases.push_back(
      {"embedding with positions", {{5, 3}, {4, 3}}, [tokens](In v) { return embedding(v[0], tokens, v[1]); }});
  cases.push_back({"dropout", {{4, 6}}, [](In v) { return dropout(v[0], 0.4, Random(7, Purpose::dropout, 1)); }});
}

void add_attention(std::vector<OpCase>& cases, Engine& engine) {
  const RopeTables tables = rope_tables(engine, 5, 4, 10000);
  cases.push_back({"rope", {{2, 5, 3, 4}}, [tables](In v) { return rope(v[0], tables); }});
  struct Kind {
    const char* name;
    std::int64_t heads, kv_heads;
    bool turned;
    double dropout, softcap = 0;
  };
  for (const Kind& k :
       {Kind{"attention", 2, 2, false, 0}, Kind{"attention, grouped", 4, 2, false, 0},
        Kind{"attention, one key head, RoPE", 2, 1, true, 0}, Kind{"attention, dropout", 2, 2, false, 0.3},
        Kind{"attention, soft cap", 4, 2, true, 0.3, 0.7}})
    cases.push_back(
        {k.name,
         {{2, 5, (k.heads + 2 * k.kv_heads) * 4}},
         [k, tables](In v) {
           AttentionOptions options{
               k.heads, k.kv_heads, k.turned ? &tables : nullptr, k.dropout, Random(3, Purpose::dropout, 2), k.softcap};
           return causal_attention(v[0], options);
         },
         // Scores grow with the square of the input; beyond 1 softmax is a step function.
         Domain::any,
         1,
         false});
}

}  // namespace

std::vector<OpCase> op_cases(Engine& engine) {
  std::vector<OpCase> cases;
  add_unary(cases);
  add_arithmetic(cases);
  add_shapes(cases);
  add_products(cases);
  add_rows(cases, engine);
  add_attention(cases, engine);
  return cases;
}

NORMSCOPE_END
