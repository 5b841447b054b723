#pragma once
// What a run file says about the run as a whole.
#include <string>
#include <vector>

#include "io/run_file.h"
#include "train/session.h"

NORMSCOPE_BEGIN

/// The parameters as the run file lists them.
std::vector<ParamInfo> describe(const Parameters& parameters);
RunHeader run_header(const Session& session, const Corpus& corpus, const Sampler& sampler, const std::string& command);

NORMSCOPE_END
