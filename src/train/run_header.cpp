#include "train/run_header.h"

#include <fmt/format.h>

#include "io/build_info.h"
#include "machine/machine.h"

NORMSCOPE_BEGIN

std::vector<ParamInfo> describe(const Parameters& parameters) {
  std::vector<ParamInfo> infos;
  for (const Parameter& p : parameters.all()) infos.push_back({p.path, p.block, p.role, p.shape.vector()});
  return infos;
}

RunHeader run_header(const Session& session, const Corpus& corpus, const Sampler& sampler, const std::string& command) {
  const BuildInfo build = build_info();
  RunHeader h;
  h.config_json = session.config.to_json();
  h.command = command;
  h.git_commit = build.git_commit;
  h.version = build.version;
  h.host = machine::cpu_model();
  h.isa = build.isa;
  const bool openblas = sizeof(real) == 8 && session.engine.gemm() == GemmBackend::onednn;  // which has no float64
  h.gemm_backend = openblas ? "openblas" : name_of(session.engine.gemm());
  h.data_sha256 = corpus.sha256;
  h.epoch_label = sampler.epoch_label();
  h.seed = static_cast<std::uint64_t>(session.config.seed);
  h.threads = session.engine.threads();
  h.params = describe(session.model->parameters());
  h.residual = session.model->points();
  h.extra["dtype"] = kDtypeName;
  h.extra["openblas_core"] = build.openblas_core;
  h.extra["tokenizer_json"] = corpus.tokenizer_json();
  h.extra["data"] = corpus.source;
  h.extra["train_tokens"] = std::to_string(corpus.train_size());
  h.extra["val_tokens"] = std::to_string(corpus.val_size());
  h.extra["windows_per_epoch"] = std::to_string(sampler.windows_per_epoch());
  h.extra["dropped_windows"] = std::to_string(sampler.dropped_windows());
  h.extra["steps_per_epoch"] = std::to_string(sampler.steps_per_epoch());
  if (corpus.entropy_rate) h.extra["entropy_rate"] = fmt::format("{}", *corpus.entropy_rate);
  return h;
}

NORMSCOPE_END
