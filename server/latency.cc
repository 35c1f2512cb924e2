#include "server/latency.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "server/command_table.h"
#include "server/letter_case.h"

namespace respcask::server {
namespace {

constexpr size_t kMaxSamples = 160;

}  // namespace

void LatencyMonitor::add(std::string_view name, int64_t time_s, int64_t ms) {
  std::lock_guard guard(mutex_);
  auto found = events_.find(name);
  if (found == events_.end()) {
    found = events_.emplace(std::string(name), LatencyEvent{std::string(name), 0, {}}).first;
  }
  LatencyEvent& event = found->second;
  event.worst_ms = std::max(event.worst_ms, ms);
  if (!event.samples.empty() && event.samples.back().time_s == time_s) {
    event.samples.back().ms = std::max(event.samples.back().ms, ms);
    return;
  }
  event.samples.push_back({time_s, ms});
  if (event.samples.size() > kMaxSamples) event.samples.pop_front();
}

std::vector<LatencyEvent> LatencyMonitor::events() const {
  std::lock_guard guard(mutex_);
  std::vector<LatencyEvent> all;
  for (const auto& [name, event] : events_) all.push_back(event);
  return all;
}

LatencyEvent LatencyMonitor::event(std::string_view wanted) const {
  std::lock_guard guard(mutex_);
  const auto found = events_.find(wanted);
  return found == events_.end() ? LatencyEvent{} : found->second;
}

size_t LatencyMonitor::reset(std::span<const std::string_view> names) {
  std::lock_guard guard(mutex_);
  const size_t before = events_.size();
  if (names.empty()) {
    events_.clear();
  } else {
    std::erase_if(events_, [&](const auto& entry) {
      return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
        return equal_ignoring_case(name, entry.first);
      });
    });
  }
  return before - events_.size();
}

namespace {

// "7s", "12m", "3h", "2d".
std::string age_label(int64_t age_s) {
  constexpr int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  if (age_s < kMinute) return fmt::format("{}s", age_s);
  if (age_s < kHour) return fmt::format("{}m", age_s / kMinute);
  if (age_s < kDay) return fmt::format("{}h", age_s / kHour);
  return fmt::format("{}d", age_s / kDay);
}

// One row of columns: four lines in which a column's height is told in three steps a line, an empty
// line, and below it the labels, read downwards.
void draw_columns(std::span<const LatencySample> samples, int64_t low_ms, int64_t high_ms,
                  int64_t now_s, std::string& out) {
  constexpr std::string_view kSteps = "_o#";
  constexpr int kLines = 4;
  constexpr int kStepsALine = static_cast<int>(kSteps.size());
  constexpr int kHeight = kLines * kStepsALine;
  const double range = static_cast<double>(high_ms - low_ms);
  std::vector<int> heights;
  std::vector<std::string> labels;
  size_t label_lines = 0;
  for (const LatencySample& sample : samples) {
    const double share = range == 0 ? 0 : static_cast<double>(sample.ms - low_ms) / range;
    heights.push_back(std::min(static_cast<int>(share * kHeight), kHeight - 1));
    labels.push_back(age_label(std::max<int64_t>(0, now_s - sample.time_s)));
    label_lines = std::max(label_lines, labels.back().size());
  }
  for (int line = kLines - 1; line >= 0; --line) {
    for (const int height : heights) {
      const int step = height - line * kStepsALine;
      if (step < 0) {
        out += ' ';
      } else {
        out += step < kStepsALine ? kSteps[static_cast<size_t>(step)] : '|';
      }
    }
    out += '\n';
  }
  out.append(samples.size(), ' ').append("\n");
  for (size_t line = 0; line < label_lines; ++line) {
    for (const std::string& label : labels) out += line < label.size() ? label[line] : ' ';
    out += '\n';
  }
}

}  // namespace

std::string latency_graph(const LatencyEvent& event, int64_t now_s) {
  constexpr size_t kColumns = 80;
  const std::vector<LatencySample> samples(event.samples.begin(), event.samples.end());
  const auto [low, high] = std::minmax_element(
      samples.begin(), samples.end(),
      [](const LatencySample& a, const LatencySample& b) { return a.ms < b.ms; });
  std::string graph = fmt::format("{} - high {} ms, low {} ms (all time high {} ms)\n", event.name,
                                  high->ms, low->ms, event.worst_ms);
  graph.append(kColumns, '-').append("\n");
  for (size_t begin = 0; begin < samples.size(); begin += kColumns) {
    if (begin > 0) graph += '\n';
    const size_t count = std::min(kColumns, samples.size() - begin);
    draw_columns(std::span(samples).subspan(begin, count), low->ms, high->ms, now_s, graph);
  }
  return graph;
}

namespace {

std::string_view advice(std::string_view event) {
  if (event == "command") {
    return "Some commands that are slow by their nature took that long. SLOWLOG GET names them; "
           "split work on large keys into smaller steps.";
  }
  if (event == "fast-command") {
    return "Even commands of constant cost took that long: the machine is short of CPU time, or "
           "the process is being swapped out.";
  }
  if (event == "eviction-cycle") {
    return "Evicting keys took that long: maxmemory or maxdisk is reached by much at once.";
  }
  if (event == "aof-write") {
    return "Writing to the segment files took that long: the disk is busy, perhaps with the "
           "kernel's write-back.";
  }
  return "Look at what the machine did at these times.";
}

}  // namespace

std::string latency_report(std::span<const LatencyEvent> events, int64_t threshold_ms,
                           int64_t slowlog_threshold_us) {
  if (threshold_ms == 0) {
    return "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns "
           "it on.\n";
  }
  if (events.empty()) {
    return fmt::format("Nothing has taken {} ms or longer since the last LATENCY RESET.\n",
                       threshold_ms);
  }
  std::string report = "What has taken longer than latency-monitor-threshold:\n\n";
  int number = 0;
  for (const LatencyEvent& event : events) {
    const double count = static_cast<double>(event.samples.size());
    double sum = 0, deviation = 0;
    for (const LatencySample& sample : event.samples) sum += static_cast<double>(sample.ms);
    const double average = sum / count;
    for (const LatencySample& sample : event.samples) {
      deviation += std::abs(static_cast<double>(sample.ms) - average);
    }
    const int64_t span_s = event.samples.back().time_s - event.samples.front().time_s;
    report += fmt::format(
        "{}. {}: {} latency spikes (average {:.0f}ms, mean deviation {:.0f}ms, period {:.2f} sec). "
        "Worst all time event {}ms.\n   {}\n",
        ++number, event.name, event.samples.size(), average, deviation / count,
        static_cast<double>(span_s) / count, event.worst_ms, advice(event.name));
  }
  if (slowlog_threshold_us < 0 || slowlog_threshold_us > threshold_ms * 1000) {
    report += fmt::format(
        "\nSLOWLOG does not record all of them: CONFIG SET slowlog-log-slower-than {} would.\n",
        threshold_ms * 1000);
  }
  return report;
}

}  // namespace respcask::server
