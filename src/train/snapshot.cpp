#include "train/snapshot.h"

#include <cstring>

NORMSCOPE_BEGIN

void Snapshot::save(const std::string& path, const Config& config, const Corpus& corpus) const {
  ArrayFileWriter file(path);
  file.attribute("format", "normscope-checkpoint");
  file.attribute("config_json", config.to_json());
  file.attribute("tokenizer_json", corpus.tokenizer_json());
  file.attribute("data", corpus.source);
  file.attribute("data_sha256", corpus.sha256);
  const std::int64_t steps[] = {next, optimizer.steps()};
  file.write("state/steps", Array::Type::i64, {2}, steps);
  file.write("state/elapsed_s", Array::Type::f64, {}, &elapsed_s);
  file.write("state/epoch", Array::Type::f64, {static_cast<std::int64_t>(epoch.state().size())}, epoch.state().data());
  write_weights(parameters, file);
  for (std::size_t p = 0; p < parameters.all().size(); ++p) {
    const Parameter& parameter = parameters.all()[p];
    const auto shape = parameter.shape.vector();
    file.write("optimizer/first/" + parameter.path, real_type(), shape, optimizer.first()[p].data());
    if (!optimizer.second().empty())
      file.write("optimizer/second/" + parameter.path, real_type(), shape, optimizer.second()[p].data());
  }
  file.commit();
}

void Snapshot::restore(const ArrayFileReader& file) {
  const auto read_state = [&](const std::string& name, Array::Type type, const std::vector<std::int64_t>& shape,
                              void* to) {
    const Array array = read_shaped(file, "state/" + name, shape);
    if (array.type != type) throw UsageError("its state is damaged");
    std::memcpy(to, array.bytes.data(), array.bytes.size());
  };
  std::int64_t steps[2];
  read_state("steps", Array::Type::i64, {2}, steps);
  if (steps[0] < 0 || steps[1] < 0 || steps[1] > steps[0]) throw UsageError("its step numbers are damaged");
  read_state("elapsed_s", Array::Type::f64, {}, &elapsed_s);
  std::vector<double> means(epoch.state().size());
  read_state("epoch", Array::Type::f64, {static_cast<std::int64_t>(means.size())}, means.data());
  epoch.restore(means);
  read_weights(parameters, file);
  for (std::size_t p = 0; p < parameters.all().size(); ++p) {
    const Parameter& parameter = parameters.all()[p];
    const auto moment = [&](const char* which, const Tensor& to) {
      copy_reals(read_shaped(file, std::string("optimizer/") + which + "/" + parameter.path, parameter.shape.vector()),
                 to.data());
    };
    moment("first", optimizer.first()[p]);
    if (!optimizer.second().empty()) moment("second", optimizer.second()[p]);
  }
  optimizer.set_steps(steps[1]);
  next = steps[0];
}

NORMSCOPE_END
