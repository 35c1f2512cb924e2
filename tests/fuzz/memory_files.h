// MemoryFiles: files in memory for the fuzz targets that try a decoder some hundred thousand times
// a second. No directories, no faults, no mappings, and nothing to sync: for all that there is
// FaultyFileSystem.
//
// Owns its files; what was opened shares them. One thread.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/file.h"

namespace respcask::engine {

class MemoryFile final : public File {
 public:
  MemoryFile(std::string path, std::shared_ptr<std::string> bytes)
      : File(std::move(path)), bytes_(std::move(bytes)) {}

  using File::write_at;
  Result<void> write_at(uint64_t offset, std::span<const std::string_view> pieces) override {
    for (const std::string_view piece : pieces) {
      bytes_->resize(std::max(bytes_->size(), offset + piece.size()));
      bytes_->replace(offset, piece.size(), piece);
      offset += piece.size();
    }
    return {};
  }
  Result<size_t> read_at(uint64_t offset, std::span<char> out) const override {
    const std::string_view rest =
        std::string_view(*bytes_).substr(std::min(offset, bytes_->size()));
    return rest.copy(out.data(), out.size());
  }
  Result<void> sync_data() override { return {}; }
  Result<void> sync_all() override { return {}; }
  Result<Reservation> reserve(uint64_t, uint64_t) override { return Reservation::kUnsupported; }
  Result<void> truncate(uint64_t size) override {
    bytes_->resize(size);
    return {};
  }
  Result<uint64_t> size() const override { return bytes_->size(); }
  Result<Mapping> map(size_t) const override { return unsupported(path()); }
  Result<void> drop_cache(uint64_t, uint64_t) const override { return {}; }

  static Error unsupported(const std::string& path) {
    return {ErrorCode::kIo, path + ": not a thing that files in memory do"};
  }

 private:
  std::shared_ptr<std::string> bytes_;
};

class MemoryFiles final : public FileSystem {
 public:
  // The contents of a file, which is made if it is missing.
  std::string& at(const std::string& path) {
    auto& bytes = files_[path];
    if (!bytes) bytes = std::make_shared<std::string>();
    return *bytes;
  }

  Result<std::unique_ptr<File>> create(const std::string& path) override {
    at(path).clear();
    return open(path);
  }
  Result<std::unique_ptr<File>> open(const std::string& path) override {
    const auto found = files_.find(path);
    if (found == files_.end()) return Error{ErrorCode::kIo, path + ": No such file or directory"};
    return std::unique_ptr<File>(std::make_unique<MemoryFile>(path, found->second));
  }
  Result<std::unique_ptr<File>> open_read_only(const std::string& path) override {
    return open(path);
  }
  Result<std::optional<FileInfo>> stat(const std::string& path) const override {
    const auto found = files_.find(path);
    if (found == files_.end()) return std::optional<FileInfo>();
    FileInfo info;
    info.size = info.allocated = found->second->size();
    return std::optional(info);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    files_[to] = std::exchange(files_[from], nullptr);
    files_.erase(from);
    return {};
  }
  Result<void> unlink(const std::string& path) override {
    files_.erase(path);
    return {};
  }
  Result<void> sync_directory(const std::string&) override { return {}; }

  Result<void> create_directory(const std::string& path) override {
    return MemoryFile::unsupported(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    return MemoryFile::unsupported(path);
  }
  Result<void> link(const std::string& path, const std::string&) override {
    return MemoryFile::unsupported(path);
  }
  Result<void> remove_directory(const std::string& path) override {
    return MemoryFile::unsupported(path);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockKind) override {
    return MemoryFile::unsupported(path);
  }
  Result<Space> space(const std::string& path) const override {
    return MemoryFile::unsupported(path);
  }

 private:
  std::map<std::string, std::shared_ptr<std::string>> files_;
};

}  // namespace respcask::engine
