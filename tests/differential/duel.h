// Duel: two servers, Redis and the one under test, that get the same steps and must answer alike.
//
// It owns both processes and its connections to them. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/differential/grammar.h"
#include "tests/differential/process.h"

namespace respcask::differential {

struct Mismatch {
  size_t step;       // index in the steps that ran
  std::string what;  // for a person, several lines
};

// Faults planted in the server under test, to show that the duel finds them.
struct Tampering {
  std::function<void(std::vector<std::string>& args)> request;
  std::function<void(const std::vector<std::string>& args, Reply& reply)> reply;
  bool lose_everything_at_restart = false;
};

class Duel {
 public:
  Duel(std::unique_ptr<Process> oracle, std::unique_ptr<Process> subject, Tampering tampering = {});

  // The rows of the table that both servers can do; what is left out goes into `skipped`.
  // `only`: names of families, empty for all.
  std::vector<Generator::Choice> common_rows(const std::vector<std::string>& only,
                                             std::vector<std::string>* skipped);
  std::vector<std::string> common_names();
  // Commands of the server under test that no row of the table sends, and that are not listed as
  // left out with a reason (differences.h).
  std::vector<std::string> uncovered();

  // Empties both servers, and runs. With a seed, commands are pipelined in batches of random sizes
  // and split at random bytes; without, in batches as large as can be.
  std::optional<Mismatch> run(std::span<const Step> steps, std::optional<uint64_t> batching);

  // Whether Redis's answer to the command that they answer differently is one of several that it
  // might give: to a range by name among members of several scores, which follows from the skip
  // list's random levels, or to a SORT behind a number that was out of range, whose errno it takes
  // for its own. The steps before it run once more.
  bool is_unspecified(std::span<const Step> steps, const Mismatch& mismatch);

  // Fewer steps that still disagree, found by leaving steps out; `mismatch` becomes theirs. The
  // steps come back as they are, if they only disagree as they were batched.
  std::vector<Step> shrink(std::vector<Step> steps, Mismatch* mismatch,
                           std::chrono::seconds budget);

 private:
  struct Side {
    std::unique_ptr<Process> process;
    std::vector<std::unique_ptr<Connection>> clients;
    std::unique_ptr<Connection> auxiliary;
    std::string dump;  // the latest payload of DUMP
  };
  struct Client {
    bool in_multi = false;
    std::vector<std::vector<std::string>> queued;
  };

  void reset();
  void reconnect();
  std::optional<std::string> batch(std::span<const Step> steps, Random* split, size_t* failed);
  std::string request(const Step& step, const Side& side, const Side& other, bool tamper,
                      bool is_inline) const;
  bool same_value(const std::string& theirs, const std::string& ours);
  bool agree(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours);
  std::optional<std::string> judge(const Step& step, Reply& theirs, Reply& ours);
  void note_dump(const std::vector<std::string>& args, const Reply& theirs, const Reply& ours);
  std::optional<std::string> scan(const Step& step);
  std::optional<std::string> raw(const Step& step);
  std::optional<std::string> verify();
  std::optional<std::string> verify_database(int database);
  void settle();
  void restart(bool kill);
  std::optional<std::string> step_alone(const Step& step);
  bool has_several_scores(unsigned with, const std::string& key);
  bool agree_without_old_errno(const Step& step);
  bool knows(Side& side, const std::string& command);
  std::string death_note();

  Side oracle_;
  Side subject_;
  Tampering tampering_;
  Client clients_[kClients];
  bool restarted_ = false;  // since the last reset(), the server under test
  bool sorted_ = false;     // SORT_RO was sent since then
  // What batches have taken since then, of which each server sees one part before a command and the
  // other one behind it. Half a gigabyte in a reply takes the test itself ten seconds.
  std::chrono::milliseconds held_up_{0};
};

// "2> SET k v": what to type to see it.
std::string describe(const Step& step);

}  // namespace respcask::differential
