#include "server/process_title.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace respcask::server {
namespace {

std::span<char> room;

std::string listen_address(const Config& config) {
  if (config.port == 0) return config.unixsocket;
  std::string_view address = "*";
  if (!config.bind.empty()) address = config.bind.front();
  if (address.starts_with('-')) address.remove_prefix(1);
  return fmt::format("{}:{}", address, config.port);
}

std::string value_of(std::string_view variable, const Config& config, const std::string& file) {
  if (variable == "title") return "respcask-server";
  if (variable == "listen-addr") return listen_address(config);
  if (variable == "port") return std::to_string(config.port);
  if (variable == "tls-port") return "0";
  if (variable == "unixsocket") return config.unixsocket;
  if (variable == "config-file") return file;
  return "";  // server-mode: there is no other mode than the usual one
}

}  // namespace

void prepare_process_title(int argc, char** argv) {
  if (argc == 0) return;
  char* const begin = argv[0];
  char* end = begin;
  // Arguments and environment follow one another; where they do not, the room ends.
  for (int i = 0; i < argc; ++i) {
    if (argv[i] == end) end += std::strlen(argv[i]) + 1;
  }
  std::vector<char*> moved;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (*entry == end) end += std::strlen(*entry) + 1;
    moved.push_back(::strdup(*entry));
  }
  moved.push_back(nullptr);
  // Never freed: whoever runs at the very end of the process may still ask for a variable.
  static std::vector<char*>& environment = *new std::vector<char*>;
  environment = std::move(moved);
  environ = environment.data();
  room = {begin, end};
}

std::string process_title(const Config& config, const std::string& file) {
  const std::string_view text = config.proc_title_template;
  std::string title;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t close = text[i] == '{' ? text.find('}', i) : text.npos;
    if (close == text.npos) {
      title += text[i];
      continue;
    }
    title += value_of(text.substr(i + 1, close - i - 1), config, file);
    i = close;
  }
  while (title.ends_with(' ')) title.pop_back();
  return title;
}

void set_process_title(const std::string& title) {
  if (room.empty()) return;
  const size_t size = std::min(title.size(), room.size() - 1);
  std::memcpy(room.data(), title.data(), size);
  std::memset(room.data() + size, 0, room.size() - size);
}

}  // namespace respcask::server
